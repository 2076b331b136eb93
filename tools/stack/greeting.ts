import type { StackFile } from '#libs/contracts';
import type { StackPaths } from './paths.js';

/** What to open and what to type. Secrets are named by their file: terminals are recorded and shared. */
export function greeting(stack: StackFile, paths: StackPaths, seconds: string): string {
  return `
Wirebot runs, ready in ${seconds}. Ctrl-C or npm run stop stops it.

  Chat page       ${stack.tenant.url}/
  Console         ${stack.admin.url}  (${stack.admin.email}; its password is in ${paths.stack})
  API             ${stack.controlPlane.url}/v1
  Logs            ${paths.logs}

In another terminal:

  npm run demo
  curl -X PUT ${stack.controlPlane.url}/v1/members/ada \\
    -H "Authorization: Bearer $(node -p "require('${paths.stack}').tenant.apiKey")" \\
    -H 'Content-Type: application/json' -d '{"email":"ada@example.com","name":"Ada","tier":"wire"}'
`;
}

import { bundlePage } from '../../libs/browser/bundle.mjs';

await bundlePage('chat');

import type { MailText } from './mail-outbox.js';

export interface MailParts {
  readonly subject: string;
  /** Paragraphs before the link. */
  readonly lead: readonly string[];
  readonly action?: { readonly label: string; readonly url: string };
  /** Paragraphs after it. */
  readonly tail: readonly string[];
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escape = (text: string): string => text.replace(/[&<>"']/g, (character) => ENTITIES[character]!);
const paragraph = (html: string): string => `<p style="margin:0 0 16px">${html}</p>`;

/** One mail as plain text and as simple HTML that loads nothing from anywhere. */
export function layOutMail({ subject, lead, action, tail }: MailParts): MailText {
  const text = [...lead, ...(action ? [`${action.label}:\n${action.url}`] : []), ...tail].join('\n\n');
  const link = action && `<a href="${escape(action.url)}" style="font-weight:600">${escape(action.label)}</a>`;
  const body = [...lead.map(escape), ...(link ? [link] : []), ...tail.map(escape)].map(paragraph).join('\n');
  const style = 'font:16px/1.5 system-ui,sans-serif;color:#1a1a1a;max-width:36em;margin:24px auto;padding:0 16px';
  const head = `<meta charset="utf-8"><title>${escape(subject)}</title>`;
  // One line: whatever a name holds, it cannot add a header.
  const line = subject.replace(/\s+/g, ' ');
  const html = `<!doctype html><html lang="en"><head>${head}</head><body style="${style}">\n${body}\n</body></html>\n`;
  return { subject: line, text: `${text}\n`, html };
}

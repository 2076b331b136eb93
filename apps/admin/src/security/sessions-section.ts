import { h } from '#libs/browser';
import { button } from '../form.js';
import { endOtherSessions, endSession, listSessions, type SessionRow } from '../session-api.js';
import { describeAgent, describeMethod } from './agent.js';
import { list, row, Section, time } from './section.js';

const LEAD = 'End what you do not recognise, then change your password.';

export const sessionsSection = (): Section => new Section('sessions', 'Where you are signed in', LEAD, content);

async function content(section: Section): Promise<Node[]> {
  const sessions = await listSessions();
  const rows = sessions.map((session) => sessionRow(section, session));
  const endOthers = () => void section.run(endOtherSessions, 'Your other sessions were ended.');
  const others = sessions.length > 1 ? [button('End all other sessions', endOthers)] : [];
  return [list('Sessions', rows, 'You have no sessions.'), ...others];
}

function sessionRow(
  section: Section,
  { id, current, method, address, userAgent, lastSeenAt }: SessionRow,
): HTMLElement {
  const agent = describeAgent(userAgent);
  const end = button('End', () => void section.run(() => endSession(id), 'The session was ended.'), 'quiet');
  end.setAttribute('aria-label', `End the session of ${agent}`);
  const about = [`By ${describeMethod(method)}, from ${address}, last seen `, time(lastSeenAt)];
  return row(
    h('strong', {}, agent),
    about,
    ...(current ? [h('span', { class: 'tag', 'data-tone': 'good' }, 'This one')] : [end]),
  );
}

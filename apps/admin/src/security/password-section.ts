import { field, form, valueOf } from '../form.js';
import { changePassword } from '../session-api.js';
import { withProof } from './proof.js';
import { Section } from './section.js';

const LEAD = 'Changing it ends every other session of yours.';
const HINT = 'Leave it empty if you have none yet.';
const LENGTH = 'At least 12 characters. A few unrelated words are fine.';

export const passwordSection = (): Section => new Section('password', 'Password', LEAD, content);

async function content(section: Section): Promise<Node[]> {
  const current = { type: 'password', autocomplete: 'current-password', maxlength: 1_024, required: false };
  const fresh = { type: 'password', autocomplete: 'new-password', minlength: 12, maxlength: 256 };
  const change = async (element: HTMLFormElement): Promise<void> => {
    const [wanted, before] = [valueOf(element, 'new-password'), valueOf(element, 'current-password')];
    await section.attempt(() => withProof(() => changePassword(wanted, before)), 'Your password was changed.');
  };
  return [
    form(
      'Change the password',
      change,
      field('current-password', 'Current password', current, HINT),
      field('new-password', 'New password', fresh, LENGTH),
    ),
  ];
}

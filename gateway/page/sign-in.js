// Signing in with a token.

import { api, session } from './api.js';
import { element } from './dom.js';

export function signIn({ signedIn }) {
  const input = element('input', { type: 'password', name: 'token', autocomplete: 'current-password', required: true });
  const problem = element('div', { role: 'alert' });
  const form = element('form', { class: 'sheet narrow' },
    element('label', {}, 'Token', input),
    element('p', { class: 'quiet' }, 'The token of a user, or the administrator’s: the program has printed where that is. It is forgotten when this tab is closed.'),
    problem, element('button', { class: 'main' }, 'Sign in'));
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const token = input.value.trim();
    try {
      const user = await api.whoIs(token);
      session.token = token;
      signedIn(user);
    } catch (error) {
      const text = error.status === 401 ? 'This token is not known.' : error.message;
      problem.replaceChildren(element('p', { class: 'fault' }, text));
      input.focus();
    }
  });
  return element('div', {}, element('h1', {}, 'Sign in'), form);
}

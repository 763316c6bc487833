// Which view is shown, and who is signed in.

import { api, session } from './api.js';
import { element } from './dom.js';
import { operator } from './operator.js';
import { fault, nothing } from './parts.js';
import { group, home } from './projects.js';
import { run } from './run.js';
import { runs } from './runs.js';
import { signIn } from './sign-in.js';
import { task } from './task.js';

const ROUTES = [
  [/^$/, home],
  [/^group\/([^/]+)$/, group],
  [/^(projects|users)\/([^/]+)$/, runs],
  [/^(projects|users)\/([^/]+)\/runs\/(\d+)$/, run],
  [/^(projects|users)\/([^/]+)\/runs\/(\d+)\/tasks\/([^/]+)$/, task],
  [/^operator$/, operator],
];

/** Who is signed in: `undefined` is not known yet, `null` the administrator. */
let user;
let leaving = new AbortController();

export const goTo = (address) => { location.hash = address; };

async function show() {
  // Whatever the view before has begun ends here.
  leaving.abort();
  leaving = new AbortController();
  const main = document.getElementById('main');
  if (!session.token) {
    user = undefined;
    showHeader();
    return place(main, signIn({ signedIn }));
  }
  const context = { signal: leaving.signal, goTo };
  try {
    if (user === undefined) user = await api.whoIs(session.token);
    showHeader();
    const path = location.hash.replace(/^#\/?/, '');
    const [view, parameters] = match(path);
    const node = await view({ ...context, user }, ...parameters);
    if (!context.signal.aborted) place(main, node);
  } catch (error) {
    if (context.signal.aborted) return;
    if (error.status === 401) return signOut();
    place(main, fault(error));
  }
}

function signedIn(found) {
  user = found;
  show();
}

function match(path) {
  for (const [pattern, view] of ROUTES) {
    const found = path.match(pattern);
    if (found) return [view, found.slice(1).map(decodeURIComponent)];
  }
  return [nothing, []];
}

function place(main, node) {
  main.replaceChildren(node);
  const heading = main.querySelector('h1');
  document.title = heading ? `${heading.textContent} – Runs` : 'Runs';
  window.scrollTo(0, 0);
  // Whoever cannot see the page change is told by the focus.
  main.focus({ preventScroll: true });
}

function signOut() {
  session.end();
  user = undefined;
  if (location.hash) goTo('');
  show();
}

function showHeader() {
  const header = document.getElementById('header');
  if (user === undefined) return header.replaceChildren();
  header.replaceChildren(element('nav', { 'aria-label': 'Main' },
    element('a', { href: '#/' }, 'Projects'),
    user && element('a', { href: `#/users/${encodeURIComponent(user.username)}` }, 'My runs'),
    user === null && element('a', { href: '#/operator' }, 'Operator'),
    element('span', { class: 'who' }, user ? user.username : 'administrator'),
    element('button', { type: 'button', onclick: signOut }, 'Sign out')));
}

window.addEventListener('hashchange', show);
show();

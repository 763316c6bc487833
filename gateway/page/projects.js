// Projects and their groups.

import { api } from './api.js';
import { element } from './dom.js';
import { encode, groupAddress, ownerAddress, trail } from './parts.js';

export async function home({ user }) {
  if (user === null) return everything();
  const own = `user/${user.username}`;
  const orgs = await api.userOrgs();
  const roots = [own, ...orgs.map(({ Organization }) => `org/${Organization.name}`)];
  const sections = await Promise.all(roots.map(async (path) => [element('h2', {},
    element('a', { href: groupAddress(path) }, path)), await contents(path)]));
  return element('div', {}, element('h1', {}, 'Projects'), sections);
}

/** The administrator belongs to nothing, and sees everything. */
async function everything() {
  const [users, orgs] = await Promise.all([all(api.users, 'username'), all(api.orgs, 'name')]);
  const list = (items, kind, key) => (items.length
    ? element('ul', { class: 'rows' }, items.map((item) => element('li', {},
      element('a', { class: 'name', href: groupAddress(`${kind}/${item[key]}`) }, item[key]),
      kind === 'user' && element('a', { href: `#/users/${encode(item.username)}` }, 'runs'))))
    : element('p', { class: 'quiet' }, 'There are none.'));
  return element('div', {}, element('h1', {}, 'Projects'),
    element('h2', {}, 'Users'), list(users, 'user', 'username'),
    element('h2', {}, 'Organizations'), list(orgs, 'org', 'name'));
}

async function all(fetchPage, key) {
  const items = [];
  for (let start; ;) {
    const page = await fetchPage(start);
    items.push(...page);
    if (page.length === 0) return items;
    start = page.at(-1)[key];
  }
}

async function contents(path) {
  const [groups, projects] = await Promise.all([api.subgroups(path), api.projects(path)]);
  if (groups.length + projects.length === 0) return element('p', { class: 'quiet' }, 'Nothing is in this group yet.');
  const row = (href, name, note) => element('li', {}, element('a', { class: 'name', href }, name), element('span', { class: 'quiet' }, note));
  return element('ul', { class: 'rows' },
    groups.map((group) => row(groupAddress(group.path), `${group.name}/`, 'group')),
    projects.map((project) => row(ownerAddress({ kind: 'projects', ref: project.path }), project.name, project.visibility)));
}

export async function group(context, path) {
  const [found, inside] = [await api.group(path), await contents(path)];
  return element('div', {}, trail(found.path), element('h1', {}, found.name || found.path), inside);
}

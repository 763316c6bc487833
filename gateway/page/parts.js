// What views have in common: where things are, what goes on while they are looked at, what buttons do.

import { api } from './api.js';
import { announce, duration, element } from './dom.js';

export const REFRESH_MS = 1000;

export const encode = encodeURIComponent;
export const groupAddress = (path) => `#/group/${encode(path)}`;
export const ownerAddress = (owner) => `#/${owner.kind}/${encode(owner.ref)}`;
export const runAddress = (owner, number) => `${ownerAddress(owner)}/runs/${number}`;
export const taskAddress = (owner, number, task) => `${runAddress(owner, number)}/tasks/${encode(task)}`;

export function fault(error) {
  return element('div', {}, element('h1', {}, 'That did not work'),
    element('p', { class: 'fault', role: 'alert' }, error.message),
    element('p', {}, element('a', { href: '#/' }, 'To the projects')));
}

export const nothing = () => fault(new Error('There is nothing at this address.'));

export function trail(path, ...rest) {
  const names = path.split('/');
  const links = names.slice(1).map((name, index) => element('li', {}, index + 2 < names.length || rest.length
    ? element('a', { href: groupAddress(names.slice(0, index + 2).join('/')) }, name) : name));
  return element('nav', { 'aria-label': 'Where this is' }, element('ol', { class: 'trail' },
    links, rest.map((node) => element('li', {}, node))));
}

/** The way to something below an owner of runs. */
export function ownerTrail(owner, ...rest) {
  const last = element('a', { href: ownerAddress(owner) }, 'runs');
  if (owner.kind === 'users') return trail(`user/${owner.ref}`, last, ...rest);
  const names = owner.ref.split('/');
  const project = element('a', { href: ownerAddress(owner) }, names.at(-1));
  return trail(names.slice(0, -1).join('/'), project, ...rest);
}

/** Does `work` again and again until the view is left; not while nobody looks at the page. */
export async function refresh({ signal }, work, goesOn = () => true, interval = REFRESH_MS) {
  while (!signal.aborted && goesOn()) {
    try {
      await pause(interval, signal);
      if (!document.hidden) await work();
    } catch (error) {
      if (signal.aborted) return;
      announce(error.message);
      await pause(5 * REFRESH_MS, signal).catch(() => {});
    }
  }
}

export const pause = (time, signal) => new Promise((resolve, reject) => {
  const timer = setTimeout(resolve, time);
  signal.addEventListener('abort', () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
});

/** Does what a button asks for, once, and says what went wrong. */
export async function attempt(work, button) {
  if (button) button.disabled = true;
  try {
    await work();
  } catch (error) {
    if (error.name !== 'AbortError') announce(error.message);
  } finally {
    if (button) button.disabled = false;
  }
}

/** Shows these rows, or `none`, but leaves all alone if they are the same as before. */
export function update(list, rows, none) {
  const nodes = rows.length ? rows : [none];
  const same = nodes.length === list.children.length && nodes.every((node, index) => node.isEqualNode(list.children[index]));
  if (!same) keepFocus(list, () => list.replaceChildren(...nodes));
}

/** The element that had the focus has it afterwards too, by its key or its address. */
export function keepFocus(node, work) {
  const active = node.contains(document.activeElement) ? document.activeElement : null;
  const [key, href] = [active?.dataset?.key, active?.getAttribute('href')];
  work();
  if (!active) return;
  const places = [...node.querySelectorAll('[data-key], [href]')];
  places.find((place) => (key ? place.dataset.key === key : href && place.getAttribute('href') === href))?.focus();
}

/** Where it is still going on, it is told again as time passes. */
export function clock(thing) {
  const isOver = Boolean(thing.end_time) || !thing.start_time;
  return element('span', isOver ? {} : { 'data-since': thing.start_time }, duration(thing.start_time, thing.end_time));
}

export function tick(node) {
  for (const place of node.querySelectorAll('[data-since]')) place.textContent = duration(place.dataset.since);
}

export function approveButton(owner, number, task) {
  return element('button', {
    type: 'button', 'data-key': `approve ${task.id}`, 'aria-label': `Approve ${task.name}`, onclick: (event) => attempt(async () => {
      await api.approve(owner, number, task.id);
      announce(`${task.name} is approved.`);
    }, event.currentTarget),
  }, 'Approve');
}

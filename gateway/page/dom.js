// Small helpers: elements, times, states.

const SVG = 'http://www.w3.org/2000/svg';

/** An element. Text is always text: nothing that a server says becomes markup. */
export function element(name, attributes = {}, ...children) {
  return build(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  return build(document.createElementNS(SVG, name), attributes, children);
}

function build(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? '' : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const SIGNS = {
  success: '✓', failed: '✗', setuperror: '✗', running: '●', queued: '○', waiting: '?', stopping: '●',
  stopped: '■', cancelled: '■', skipped: '→', notstarted: '○',
};
const WORDS = { setuperror: 'setup error', notstarted: 'not started', waiting: 'waiting for approval' };

export const signOf = (state) => SIGNS[state] ?? '○';
export const wordOf = (state) => WORDS[state] ?? state;

export function stateLabel(state) {
  return element('span', { class: `state ${state}`, 'data-sign': signOf(state) }, wordOf(state));
}

/** What a run has come to, in one word. */
export function runState(run) {
  if (run.phase === 'finished') return run.result;
  if (run.phase === 'running') {
    if (run.stopping) return 'stopping';
    return run.tasks_waiting_approval?.length ? 'waiting' : 'running';
  }
  return run.phase;
}

export const taskState = (task) => (task.waiting_approval ? 'waiting' : task.status);
export const isActive = (run) => run.phase === 'queued' || run.phase === 'running';

/** How long something took, or has taken until now. */
export function duration(start, end) {
  if (!start) return '';
  const seconds = Math.max(0, ((end ? Date.parse(end) : Date.now()) - Date.parse(start)) / 1000);
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export const when = (time) => (time ? new Date(time).toLocaleString() : '');

const UNITS = ['bytes', 'KB', 'MB', 'GB', 'TB'];
export function size(bytes) {
  let unit = 0;
  let amount = Number(bytes);
  for (; amount >= 1000 && unit < UNITS.length - 1; unit += 1) amount /= 1000;
  return `${unit && amount < 100 ? amount.toFixed(1) : Math.round(amount)} ${UNITS[unit]}`;
}

/** Says something to people who look, and to those who listen. */
export function announce(text) {
  const status = document.getElementById('status');
  status.replaceChildren(element('p', {}, text));
  clearTimeout(announce.timer);
  announce.timer = setTimeout(() => status.replaceChildren(), 4000);
}

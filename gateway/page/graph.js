// A run's tasks and what they wait for, drawn from left to right.

import { svg, signOf, taskState, wordOf } from './dom.js';

const BOX = { width: 170, height: 46 };
const GAP = { x: 54, y: 16 };

/** `link` gives the address of a task. */
export function drawGraph(tasks, link) {
  const columns = [];
  for (const task of [...tasks].sort((a, b) => a.name.localeCompare(b.name))) {
    (columns[task.level] ??= []).push(task);
  }
  const places = new Map();
  columns.forEach((column, x) => column.forEach((task, y) => {
    places.set(task.id, { x: x * (BOX.width + GAP.x) + 2, y: y * (BOX.height + GAP.y) + 2 });
  }));
  const width = columns.length * (BOX.width + GAP.x) - GAP.x + 4;
  const rows = Math.max(0, ...columns.map((column) => column?.length ?? 0));
  const height = rows * (BOX.height + GAP.y) - GAP.y + 4;
  const edges = tasks.flatMap((task) => Object.keys(task.depends ?? {})
    .filter((parent) => places.has(parent))
    .map((parent) => edge(places.get(parent), places.get(task.id))));
  const boxes = tasks.map((task) => box(task, places.get(task.id), link(task)));
  return svg('svg', {
    class: 'graph', width, height, viewBox: `0 0 ${width} ${height}`, role: 'group', 'aria-label': 'Tasks of the run',
  }, edges, boxes);
}

function edge(from, to) {
  const [x1, y1] = [from.x + BOX.width, from.y + BOX.height / 2];
  const [x2, y2] = [to.x, to.y + BOX.height / 2];
  const middle = (x1 + x2) / 2;
  return svg('path', { class: 'edge', d: `M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}` });
}

function box(task, place, href) {
  const state = taskState(task);
  const name = task.name.length > 17 ? `${task.name.slice(0, 16)}…` : task.name;
  return svg('a', { href, class: state, 'aria-label': `${task.name}, ${wordOf(state)}` },
    svg('title', {}, `${task.name}: ${wordOf(state)}`),
    svg('rect', { x: place.x, y: place.y, width: BOX.width, height: BOX.height, rx: 8 }),
    svg('text', { x: place.x + 14, y: place.y + 28, class: 'sign', 'aria-hidden': 'true' }, signOf(state)),
    svg('text', { x: place.x + 34, y: place.y + 28 }, name));
}

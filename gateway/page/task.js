// A task, its steps and their logs.

import { api } from './api.js';
import { element, stateLabel, taskState } from './dom.js';
import { LogView } from './log.js';
import {
  REFRESH_MS, approveButton, attempt, clock, keepFocus, ownerTrail, pause, refresh, runAddress, tick,
} from './parts.js';

export async function task(context, kind, ref, numberText, id) {
  const owner = { kind, ref };
  const number = Number(numberText);
  let found = await api.task(owner, number, id, context.signal);
  const steps = element('ol', { class: 'steps' });
  const facts = element('p');
  const log = new LogView();
  let chosen;
  let following = new AbortController();
  context.signal.addEventListener('abort', () => following.abort());

  const choose = (step) => {
    chosen = step;
    following.abort();
    following = new AbortController();
    const { signal } = following;
    const open = () => openLog(owner, number, id, step, signal);
    log.show(open).catch((error) => {
      if (!signal.aborted) log.note.textContent = error.status === 404 ? 'There is no log.' : error.message;
    });
    draw();
  };
  const draw = () => {
    const parts = [[found.setup_step, 'setup'], ...(found.steps ?? []).map((step, index) => [step, index])];
    facts.replaceChildren(stateLabel(taskState(found)), ' ', clock(found), ' ',
      found.waiting_approval ? approveButton(owner, number, found) : '');
    keepFocus(steps, () => steps.replaceChildren(...parts.map(([step, key]) => element('li', {},
      element('button', {
        type: 'button', 'data-key': `step ${key}`, 'aria-pressed': String(chosen === key), onclick: () => choose(key),
      }, element('span', { class: 'name' }, step.name || step.command || step.type), stateLabel(step.phase),
      element('span', { class: 'time' }, clock(step)),
      step.exit_status ? element('span', { class: 'quiet' }, `exit status ${step.exit_status}`) : null)))));
    // As long as nobody has chosen one, the step that is running is shown.
    if (chosen === undefined) {
      const current = parts.find(([step]) => step.phase === 'running') ?? parts.find(([step]) => step.phase === 'failed');
      if (current) choose(current[1]);
      else if (found.end_time && parts.length > 1) choose(parts.at(-1)[1]);
    }
  };
  // When the step that is shown has ended, the next is shown.
  const follow = (before) => {
    const index = found.steps?.findIndex((step) => step.phase === 'running') ?? -1;
    const shown = chosen === 'setup' ? before.setup_step : before.steps?.[chosen];
    if (index >= 0 && index !== chosen && shown?.phase === 'running') choose(index);
  };
  draw();
  let last = JSON.stringify(found);
  refresh(context, async () => {
    found = await api.task(owner, number, id, context.signal);
    const text = JSON.stringify(found);
    if (text === last) return tick(facts), tick(steps);
    const before = last;
    last = text;
    follow(JSON.parse(before));
    draw();
  }, () => !found.end_time);
  const save = element('button', { type: 'button', onclick: (event) => attempt(() => saveLog(owner, number, found, chosen), event.currentTarget) }, 'Save the log');
  return element('div', {},
    ownerTrail(owner, element('a', { href: runAddress(owner, number) }, `#${number}`), found.name),
    element('h1', {}, found.name), facts,
    element('div', { class: 'columns' },
      element('section', { 'aria-label': 'Steps' }, steps),
      element('section', { 'aria-label': 'Log of the step' }, log.node, element('div', { class: 'buttons' }, save))));
}

/** A step that has only just begun may have no log yet. */
async function openLog(owner, number, id, step, signal) {
  for (let attempts = 0; ; attempts += 1) {
    try {
      return await api.log(owner, number, id, step, true, signal);
    } catch (error) {
      if (signal.aborted || error.status !== 404 || attempts === 5) throw error;
      await pause(REFRESH_MS, signal);
    }
  }
}

async function saveLog(owner, number, task, step) {
  const response = await api.log(owner, number, task.id, step ?? 'setup', false);
  const address = URL.createObjectURL(await response.blob());
  element('a', { href: address, download: `${number}-${task.name}-${step}.log` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

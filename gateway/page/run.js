// A run: what has become of it, and its tasks.

import { api } from './api.js';
import { announce, element, isActive, runState, stateLabel, taskState, when } from './dom.js';
import { drawGraph } from './graph.js';
import {
  approveButton, attempt, clock, keepFocus, ownerTrail, refresh, runAddress, taskAddress, tick,
} from './parts.js';

export async function run(context, kind, ref, numberText) {
  const owner = { kind, ref };
  const number = Number(numberText);
  const node = element('div');
  let found = await api.run(owner, number, context.signal);
  let drawn;
  const draw = () => {
    // What has not changed stays as it is, with the focus in it.
    const text = JSON.stringify(found);
    if (text === drawn && !isActive(found)) return;
    if (text === drawn) return tick(node);
    drawn = text;
    keepFocus(node, () => node.replaceChildren(...runParts(context, owner, found)));
  };
  draw();
  refresh(context, async () => {
    found = await api.run(owner, number, context.signal);
    draw();
  }, () => isActive(found));
  return node;
}

function runParts(context, owner, run) {
  const { branch, tag, ref, message, commit_sha: commit } = run.annotations ?? {};
  const tasks = Object.values(run.tasks ?? {}).sort((a, b) => a.level - b.level || a.name.localeCompare(b.name));
  const facts = [
    ['State', stateLabel(runState(run))], ['Took', clock(run)], ['Created', when(run.enqueue_time)],
    [branch ? 'Branch' : 'Tag or ref', branch || tag || ref], ['Message', message], ['Commit', commit],
  ].filter(([, value]) => value);
  return [
    ownerTrail(owner, `#${run.number}`),
    element('h1', {}, `#${run.number} ${run.name}`),
    element('dl', { class: 'facts sheet' }, facts.map(([name, value]) => [element('dt', {}, name), element('dd', {}, value)])),
    runButtons(context, owner, run),
    run.setup_errors?.length && element('div', { class: 'sheet' }, element('h2', {}, 'The definition has errors'),
      run.setup_errors.map((text) => element('p', { class: 'fault' }, text))),
    tasks.length > 0 && element('h2', {}, 'Tasks'),
    tasks.length > 0 && element('div', { class: 'sheet scroll', tabindex: 0, 'aria-label': 'Graph of the tasks' },
      drawGraph(tasks, (task) => taskAddress(owner, run.number, task.id))),
    tasks.length > 0 && element('ul', { class: 'rows' }, tasks.map((task) => element('li', {},
      element('a', { class: 'name', href: taskAddress(owner, run.number, task.id) }, task.name),
      task.waiting_approval && approveButton(owner, run.number, task),
      stateLabel(taskState(task)), element('span', { class: 'time' }, clock(task))))),
  ].filter(Boolean);
}

function runButtons(context, owner, run) {
  const button = (text, body, done) => element('button', {
    type: 'button', 'data-key': text, onclick: (event) => attempt(async () => {
      const answer = await api.act(owner, run.number, body);
      announce(done);
      if (body.action_type === 'restart') context.goTo(runAddress(owner, answer.number));
    }, event.currentTarget),
  }, text);
  const buttons = [
    run.phase === 'queued' && button('Cancel', { action_type: 'cancel' }, 'The run is cancelled.'),
    run.phase === 'running' && !run.stopping && button('Stop', { action_type: 'stop' }, 'The run is being stopped.'),
    run.can_restart_from_scratch && button('Restart', { action_type: 'restart', from_start: true }, 'A new run is started.'),
    run.can_restart_from_failed_tasks && button('Restart failed tasks', { action_type: 'restart', from_start: false }, 'A new run is started.'),
  ].filter(Boolean);
  return buttons.length > 0 && element('div', { class: 'buttons' }, buttons);
}

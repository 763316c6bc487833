// The runs of a project or a user, and starting one.

import { api } from './api.js';
import { announce, duration, element, runState, stateLabel, when } from './dom.js';
import { attempt, ownerAddress, refresh, runAddress, trail, update } from './parts.js';

const PAGE = 25;

export async function runs(context, kind, ref) {
  const owner = { kind, ref };
  const list = element('ul', { class: 'rows' });
  const more = element('button', { type: 'button', hidden: true }, 'Older runs');
  // By their numbers, which only grow.
  const known = new Map();
  const fetch = async (parameters) => {
    const page = await api.runs(owner, { limit: PAGE, ...parameters }, context.signal);
    for (const run of page) known.set(run.number, run);
    return page;
  };
  const sorted = () => [...known.values()].sort((a, b) => b.number - a.number);
  const draw = () => update(list, sorted().map((run) => runRow(owner, run)),
    element('li', { class: 'quiet' }, 'Nothing has been run yet.'));
  more.hidden = (await fetch()).length < PAGE;
  more.addEventListener('click', () => attempt(async () => {
    more.hidden = (await fetch({ start: sorted().at(-1).number })).length < PAGE;
    draw();
  }, more));
  draw();
  refresh(context, async () => {
    await fetch();
    draw();
  });
  const project = kind === 'projects' && await api.project(ref);
  return element('div', {},
    project ? trail(project.path) : trail(`user/${ref}`, 'runs'),
    element('h1', {}, project ? project.name : `Runs of ${ref}`),
    project && startForm(context, owner),
    element('h2', {}, 'Runs'), list, element('div', { class: 'buttons' }, more));
}

function runRow(owner, run) {
  const state = runState(run);
  const { branch, tag, ref, message } = run.annotations ?? {};
  return element('li', { 'data-key': run.number },
    element('span', { class: 'name' },
      element('a', { href: runAddress(owner, run.number) }, `#${run.number} ${run.name}`),
      ' ', element('span', { class: 'quiet' }, [branch || tag || ref, message].filter(Boolean).join(' · '))),
    stateLabel(state),
    element('span', { class: 'time' }, duration(run.start_time, run.end_time)),
    element('time', { class: 'time', datetime: run.enqueue_time }, when(run.enqueue_time)));
}

function startForm(context, owner) {
  const branch = element('input', { name: 'branch', value: 'main', required: true, autocomplete: 'off', spellcheck: 'false' });
  const format = element('select', { name: 'format' }, ['yaml', 'json', 'jsonnet', 'starlark'].map((name) => element('option', {}, name)));
  const content = element('textarea', { name: 'content', spellcheck: 'false', placeholder: 'runs:\n  - name: hello\n    tasks:\n      …' });
  const problem = element('div', { role: 'alert' });
  const form = element('form', { class: 'sheet' },
    element('label', {}, 'Branch', branch),
    element('details', {}, element('summary', {}, 'With a definition of its own'),
      element('label', {}, 'Format', format),
      element('label', {}, 'Definition of the run; empty for the project’s', content)),
    problem, element('div', { class: 'buttons' }, element('button', { class: 'main' }, 'Start a run')));
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const body = { branch: branch.value.trim(), message: 'Started on the page' };
    if (content.value.trim()) body.config = { format: format.value, content: content.value };
    try {
      problem.replaceChildren();
      const { runs: [started] } = await api.startRun(owner.ref, body);
      announce('The run is started.');
      context.goTo(runAddress(owner, started.number));
    } catch (error) {
      if (!context.signal.aborted) problem.replaceChildren(element('p', { class: 'fault' }, error.message));
    }
  });
  return form;
}

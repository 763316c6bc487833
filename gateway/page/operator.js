// For whoever runs the servers: the stores of the services.

import { api } from './api.js';
import { element, size } from './dom.js';
import { REFRESH_MS, keepFocus, refresh } from './parts.js';

export async function operator(context) {
  const node = element('div');
  const draw = async () => {
    const stores = await api.stores(context.signal);
    keepFocus(node, () => node.replaceChildren(element('h1', {}, 'Operator'), ...stores.map(storeSection)));
  };
  await draw();
  refresh(context, draw, () => true, 5 * REFRESH_MS);
  return node;
}

function storeSection(store) {
  if (store.error) {
    return element('section', {}, element('h2', {}, store.service), element('p', { class: 'fault' }, store.error));
  }
  const waiting = store.waiting_for.length > 0 && `, waiting for ${store.waiting_for.join(', ')}`;
  const facts = [
    ['Mode', [store.current_mode, store.requested_mode !== store.current_mode && `, ${store.requested_mode} is asked for`, waiting]],
    ['Log position', store.position],
    ['Checkpoint', `manifest ${store.checkpoint.manifest}, up to ${store.checkpoint.position}, ${store.checkpoint.runs} runs of data files`],
    ['Entries in data files', store.size.entries.toLocaleString()],
    ['Data files', size(store.size.data_file_bytes)],
    ['Log in memory', size(store.size.memory_log_bytes)],
  ];
  return element('section', {}, element('h2', {}, store.service),
    element('dl', { class: 'facts sheet' }, facts.map(([name, value]) => [
      element('dt', {}, name), element('dd', {}, ...[value].flat().filter(Boolean))])),
    instances(store.instances));
}

function instances(rows) {
  const columns = [
    ['Instance', (row) => row.name], ['Version', (row) => row.version], ['Mode', (row) => row.current_mode],
    ['Position', (row) => row.position], ['Last heard of', (row) => `${(row.age_ms / 1000).toFixed(1)} s ago`],
  ];
  return element('div', { class: 'sheet scroll', tabindex: 0, 'aria-label': 'Instances' }, element('table', {},
    element('thead', {}, element('tr', {}, columns.map(([name]) => element('th', { scope: 'col' }, name)))),
    element('tbody', {}, rows.map((row) => element('tr', {}, columns.map(([, value]) => element('td', {}, value(row))))))));
}

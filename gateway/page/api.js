// The gateway's API, as far as the page uses it.

const BASE = '/api/v1alpha';
const KEY = 'gateway-token';

export const session = {
  get token() { return sessionStorage.getItem(KEY); },
  set token(token) { sessionStorage.setItem(KEY, token); },
  end() { sessionStorage.removeItem(KEY); },
};

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const segment = encodeURIComponent;

async function call(method, path, { body, signal, token = session.token } = {}) {
  const headers = {};
  if (token) headers.Authorization = `token ${token}`;
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  let response;
  try {
    response = await fetch(BASE + path, {
      method, headers, signal, cache: 'no-store', credentials: 'omit',
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError(0, 'The server cannot be reached.');
  }
  if (!response.ok) throw await fault(response);
  return response;
}

async function fault(response) {
  const text = await response.text().catch(() => '');
  let message = '';
  try { message = JSON.parse(text).message; } catch { message = text.trim(); }
  return new ApiError(response.status, message || `The server answered ${response.status}.`);
}

async function json(method, path, options) {
  const response = await call(method, path, options);
  const text = await response.text();
  return text ? JSON.parse(text) : null;
}

const query = (parameters) => {
  const text = new URLSearchParams(parameters).toString();
  return text ? `?${text}` : '';
};

/** Where runs are: below a project, or below a user. */
const runs = (owner) => `/${owner.kind}/${segment(owner.ref)}/runs`;

export const api = {
  /** Who a token belongs to; `null` for the administrator's own, which belongs to no user. */
  async whoIs(token) {
    try {
      return await json('GET', '/user', { token });
    } catch (error) {
      if (error.status === 400) return null;
      throw error;
    }
  },
  version: () => json('GET', '/version'),
  userOrgs: () => json('GET', '/user/orgs'),
  users: (start) => json('GET', `/users${query(start ? { start } : {})}`),
  orgs: (start) => json('GET', `/orgs${query(start ? { start } : {})}`),
  group: (ref) => json('GET', `/projectgroups/${segment(ref)}`),
  subgroups: (ref) => json('GET', `/projectgroups/${segment(ref)}/subgroups`),
  projects: (ref) => json('GET', `/projectgroups/${segment(ref)}/projects`),
  project: (ref) => json('GET', `/projects/${segment(ref)}`),
  startRun: (ref, body) => json('POST', `/projects/${segment(ref)}/createrun`, { body }),
  runs: (owner, parameters, signal) => json('GET', runs(owner) + query(parameters), { signal }),
  run: (owner, number, signal) => json('GET', `${runs(owner)}/${number}`, { signal }),
  act: (owner, number, body) => json('PUT', `${runs(owner)}/${number}/actions`, { body }),
  task: (owner, number, task, signal) => json('GET', `${runs(owner)}/${number}/tasks/${segment(task)}`, { signal }),
  approve: (owner, number, task) =>
    call('PUT', `${runs(owner)}/${number}/tasks/${segment(task)}/actions`, { body: { action_type: 'approve' } }),
  stores: (signal) => json('GET', '/admin/stores', { signal }),
  log: (owner, number, task, step, follow, signal) => {
    const parameters = step === 'setup' ? { setup: '' } : { step };
    if (follow) parameters.follow = '';
    return call('GET', `${runs(owner)}/${number}/tasks/${segment(task)}/logs${query(parameters)}`, { signal });
  },
};

//! An executor that does what a script says, and speaks the protocol over real HTTP.
//!
//! It does all that executors do: it tells that it lives, takes tasks that are pushed and asks for them, reports, sends each
//! status again and again, serves logs and archives, and forgets tasks that the service does not know any more. It can be
//! frozen, can vanish, and can forget what it was doing.

mod script;
mod serve;
mod tasks;

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use runservice::ErrorKind;
use runservice::api::{ExecutorTask, ExecutorTaskPhase};
use runservice::client::Client;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(crate) use script::{Ending, Script};
pub(crate) use serve::archive_of;
use tasks::{LocalTask, Tasks};

/// How often it tells what it would tell every 2 seconds.
const INTERVAL: Duration = Duration::from_millis(150);

/// What an executor is.
pub(crate) struct Options {
    pub(crate) id: String,
    pub(crate) archs: Vec<String>,
    pub(crate) limit: u32,
    pub(crate) allows_privileged: bool,
    /// Its group, and whom it knows of it.
    pub(crate) group: Option<(String, Vec<String>)>,
    /// How often it tells of itself, asks for tasks, and sends each status again.
    pub(crate) interval: Duration,
    /// What it does with a task, by the task's name.
    pub(crate) script: Box<dyn Fn(&str) -> Script + Send + Sync>,
}

impl Default for Options {
    /// One for `amd64` without a limit, with which all tasks succeed at once.
    fn default() -> Options {
        Options {
            id: format!("executor-{}", uuid::Uuid::new_v4()),
            archs: vec!["amd64".to_owned()],
            limit: 0,
            allows_privileged: false,
            group: None,
            interval: INTERVAL,
            script: Box::new(|_| Script::default()),
        }
    }
}

impl Options {
    /// With what it does with a task, by the task's name.
    pub(crate) fn script(script: impl Fn(&str) -> Script + Send + Sync + 'static) -> Options {
        Options {
            script: Box::new(script),
            ..Options::default()
        }
    }
}

/// What is done to its answers and reports.
#[derive(Default)]
struct Faults {
    /// It does nothing and answers nothing.
    frozen: AtomicBool,
    /// Reports that a task runs are lost.
    loses_running: AtomicBool,
    /// So many answers with logs and archives are cut in the middle.
    cuts: Mutex<u32>,
    /// What requests for logs and archives are answered with instead, and how often.
    statuses: Mutex<Vec<u16>>,
    /// Pushed tasks are refused.
    refuses_pushes: AtomicBool,
}

struct Shared {
    options: Options,
    listen_url: String,
    client: Mutex<Client>,
    tasks: Tasks,
    faults: Faults,
    /// Where tasks are executed; not on a thread of the server, whose end would end connections of the client.
    runtime: tokio::runtime::Handle,
}

/// An executor that runs until it is dropped.
pub(crate) struct Executor {
    shared: Arc<Shared>,
    server: actix_web::dev::ServerHandle,
    loops: Vec<JoinHandle<()>>,
}

impl Executor {
    /// One that has told the service of itself.
    pub(crate) async fn start(client: &Client, options: Options) -> Executor {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let listen_url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            options,
            listen_url,
            client: Mutex::new(client.clone()),
            tasks: Tasks::default(),
            faults: Faults::default(),
            runtime: tokio::runtime::Handle::current(),
        });
        let server = serve::start(listener, shared.clone());
        shared.tell().await.unwrap();
        let loops = vec![
            tokio::spawn(shared.clone().tell_always()),
            tokio::spawn(shared.clone().ask_always()),
            tokio::spawn(shared.clone().report_always()),
        ];
        Executor {
            shared,
            server,
            loops,
        }
    }

    /// One with which all tasks do what the script says.
    pub(crate) async fn with(
        client: &Client,
        script: impl Fn(&str) -> Script + Send + Sync + 'static,
    ) -> Executor {
        Executor::start(client, Options::script(script)).await
    }

    pub(crate) fn id(&self) -> &str {
        &self.shared.options.id
    }

    /// From now on it speaks to another instance of the service.
    pub(crate) fn speak_to(&self, client: &Client) {
        *self.shared.client.lock().unwrap() = client.clone();
    }

    /// The names of the tasks that were started, in the order of their starts.
    pub(crate) fn started(&self) -> Vec<String> {
        self.shared.tasks.started_names()
    }

    /// The ids of the tasks that were started.
    pub(crate) fn started_ids(&self) -> Vec<String> {
        self.shared.tasks.started_ids()
    }

    /// The tasks that it knows.
    pub(crate) fn known(&self) -> Vec<ExecutorTask> {
        self.shared.tasks.known()
    }

    /// Whether the first step of a task with this name is being executed.
    pub(crate) fn is_running(&self, name: &str) -> bool {
        self.shared.tasks.find(name).is_some_and(|task| {
            let status = task.executor_task().status;
            let first = status.steps.first().and_then(|step| step.phase);
            first == Some(ExecutorTaskPhase::Running)
        })
    }

    /// Has a task that is held end.
    pub(crate) fn release(&self, name: &str, ending: Ending) {
        self.shared.tasks.find(name).unwrap().release(ending);
    }

    /// Adds to the log of a held task's first step.
    pub(crate) fn write_log(&self, name: &str, bytes: &[u8]) {
        self.shared
            .tasks
            .find(name)
            .unwrap()
            .write_log(Some(0), bytes);
    }

    /// It does nothing and answers nothing until it is thawed.
    pub(crate) fn freeze(&self, frozen: bool) {
        self.shared.faults.frozen.store(frozen, Ordering::SeqCst);
    }

    /// Loses the reports that a task runs.
    pub(crate) fn lose_running(&self) {
        self.shared
            .faults
            .loses_running
            .store(true, Ordering::SeqCst);
    }

    /// Cuts so many answers with logs and archives in the middle.
    pub(crate) fn cut(&self, times: u32) {
        *self.shared.faults.cuts.lock().unwrap() = times;
    }

    /// How many answers are still to be cut.
    pub(crate) fn cuts_left(&self) -> u32 {
        *self.shared.faults.cuts.lock().unwrap()
    }

    /// Answers the next requests for logs and archives with these statuses.
    pub(crate) fn answer_with(&self, statuses: &[u16]) {
        let mut next = statuses.to_vec();
        next.reverse();
        *self.shared.faults.statuses.lock().unwrap() = next;
    }

    /// Answers that are still to be given so.
    pub(crate) fn answers_left(&self) -> usize {
        self.shared.faults.statuses.lock().unwrap().len()
    }

    /// Takes no tasks that are pushed: it finds them when it asks.
    pub(crate) fn refuse_pushes(&self) {
        self.shared
            .faults
            .refuses_pushes
            .store(true, Ordering::SeqCst);
    }

    /// Forgets all tasks, as one does that was killed and started again.
    pub(crate) fn forget(&self) {
        self.shared.tasks.forget_all();
    }

    /// Goes away without a word.
    pub(crate) async fn vanish(self) {
        for task in &self.loops {
            task.abort();
        }
        self.shared.tasks.forget_all();
        self.server.stop(false).await;
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        for task in &self.loops {
            task.abort();
        }
        self.shared.tasks.forget_all();
        drop(self.server.stop(false));
    }
}

impl Shared {
    fn client(&self) -> Client {
        self.client.lock().unwrap().clone()
    }

    async fn thawed(&self) {
        while self.faults.frozen.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn tell(&self) -> Result<(), runservice::Error> {
        let options = &self.options;
        let active = u32::try_from(self.tasks.known().len()).unwrap();
        let (group, siblings) = match &options.group {
            Some((group, siblings)) => (group.clone(), siblings.clone()),
            None => (options.id.clone(), vec![options.id.clone()]),
        };
        let executor = runservice::api::Executor {
            id: options.id.clone(),
            listen_url: self.listen_url.clone(),
            archs: options.archs.clone(),
            allow_privileged_containers: options.allows_privileged,
            active_tasks_limit: options.limit,
            active_tasks: active,
            dynamic: options.group.is_some(),
            executor_group: group,
            siblings_executors: siblings,
            ..Default::default()
        };
        self.client().report_executor(&executor).await
    }

    async fn tell_always(self: Arc<Shared>) {
        loop {
            tokio::time::sleep(self.options.interval).await;
            self.thawed().await;
            // The service may be down.
            let _ = self.tell().await;
        }
    }

    async fn ask_always(self: Arc<Shared>) {
        loop {
            tokio::time::sleep(self.options.interval).await;
            self.thawed().await;
            let Ok(tasks) = self.client().executor_tasks(&self.options.id).await else {
                continue;
            };
            for known in self.tasks.known() {
                // It may have been pushed since then: what is asked for by its id is not known for sure.
                if !tasks.iter().any(|task| task.id == known.id) {
                    self.forget_if_unknown(&known.id).await;
                }
            }
            for task in tasks {
                self.take(task);
            }
        }
    }

    async fn forget_if_unknown(&self, id: &str) {
        let asked = self.client().executor_task(&self.options.id, id).await;
        if asked.is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            self.tasks.forget(id);
        }
    }

    async fn report_always(self: Arc<Shared>) {
        loop {
            tokio::time::sleep(self.options.interval).await;
            self.thawed().await;
            for task in self.tasks.known() {
                self.report(task).await;
            }
        }
    }

    async fn report(&self, task: ExecutorTask) {
        self.thawed().await;
        let is_running = task.status.phase == ExecutorTaskPhase::Running;
        let is_lost = is_running && self.faults.loses_running.load(Ordering::SeqCst);
        if !is_lost {
            // Sent again later.
            let _ = self.client().report_task(&self.options.id, &task).await;
        }
    }

    async fn report_of(&self, local: &LocalTask) {
        if !local.is_forgotten() {
            self.report(local.executor_task()).await;
        }
    }

    /// Takes a task that was pushed or asked for.
    fn take(self: &Arc<Shared>, task: ExecutorTask) {
        if task.spec.executor_id != self.options.id {
            return;
        }
        if let Some(known) = self.tasks.get(&task.id) {
            if task.spec.stop {
                known.stop();
            }
            return;
        }
        let phase = task.status.phase;
        let name = task.spec.data.as_ref().map(|data| data.task_name.clone());
        let script = (self.options.script)(&name.unwrap_or_default());
        let limit = usize::try_from(self.options.limit).unwrap();
        let local = match phase {
            ExecutorTaskPhase::NotStarted if task.spec.stop => {
                LocalTask::ended(task, ExecutorTaskPhase::Cancelled)
            }
            // It was restarted meanwhile.
            ExecutorTaskPhase::Running => LocalTask::ended(task, ExecutorTaskPhase::Failed),
            ExecutorTaskPhase::NotStarted if limit > 0 && self.tasks.known().len() >= limit => {
                return;
            }
            ExecutorTaskPhase::NotStarted => LocalTask::new(task),
            _ => return,
        };
        let Some(local) = self.tasks.add(local) else {
            return;
        };
        let shared = self.clone();
        self.runtime.spawn(async move {
            shared.report_of(&local).await;
            if !local.executor_task().status.phase.is_finished() {
                shared.tasks.note_start(&local);
                shared.execute(&local, script).await;
            }
        });
    }

    async fn execute(&self, local: &Arc<LocalTask>, script: Script) {
        local.begin();
        local.write_log(None, b"setting up\n");
        self.report_of(local).await;
        local.end_setup();
        let steps = local.executor_task().status.steps.len();
        for place in 0..steps {
            local.begin_step(place);
            if script.reports_each_step {
                self.report_of(local).await;
            }
            let text = format!("log of step {place} of {}\n", local.name());
            local.write_log(
                Some(place),
                script.log.as_deref().unwrap_or(text.as_bytes()),
            );
            let ending = match script.ending {
                Ending::Held if place == 0 => {
                    if script.ignores_stop {
                        local.released().await
                    } else {
                        local.released_or_stopped().await
                    }
                }
                Ending::Held => Ending::Success,
                ending if place + 1 == steps => ending,
                _ => Ending::Success,
            };
            if !local.end_step(place, ending) {
                break;
            }
        }
        local.end();
        self.report_of(local).await;
    }
}

/// Something that changes and is waited for.
type Version = watch::Sender<u64>;

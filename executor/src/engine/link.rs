//! What is done again and again: telling the run service that the executor lives, and asking it for tasks.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use runservice::api::Executor;
use runservice::client::Client;
use service::api::Time;
use tokio::time::{Instant, MissedTickBehavior};

use super::task::Task;
use super::{Engine, is_unknown};
use crate::config::{DRIVER_LABEL, ExecutorSettings, Settings};
use crate::{Error, ErrorKind};

/// How often the executor reports that it lives, and asks for tasks.
const INTERVAL: Duration = Duration::from_secs(2);
/// How long the run service may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Tasks about which the run service is asked at once whether it still knows them.
const QUESTIONS_MAX: usize = 8;

/// A client of the run service.
///
/// # Errors
/// A URL, token or certificate that cannot be used.
pub(super) fn client(settings: &ExecutorSettings) -> Result<Client, Error> {
    let mut builder = Client::builder(&settings.runservice_url)
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(ANSWER_TIMEOUT);
    let read = |key: &str, path: &std::path::Path| {
        std::fs::read_to_string(path).map_err(|cause| {
            let shown = path.display().to_string();
            service::config::invalid(key, &shown, &format!("the file cannot be read: {cause}"))
        })
    };
    let token = &settings.runservice_token_file;
    if !token.as_os_str().is_empty() {
        let token = read("executor.runserviceTokenFile", token)?;
        builder = builder.bearer_token(token.trim());
    }
    let authority = &settings.runservice_ca_file;
    if !authority.as_os_str().is_empty() {
        builder = builder.certificate_authority(read("executor.runserviceCAFile", authority)?);
    }
    builder.build()
}

/// Where the run service reaches the executor.
///
/// # Errors
/// It cannot be told.
pub(super) fn listen_url(settings: &Settings, address: SocketAddr) -> Result<String, Error> {
    let given = settings.executor.advertise_url.trim_end_matches('/');
    if !given.is_empty() {
        return Ok(given.to_owned());
    }
    let scheme = match settings.server.web.tls {
        true => "https",
        false => "http",
    };
    let mut address = address;
    if address.ip().is_unspecified() {
        let own = own_address(&settings.executor.runservice_url).ok_or_else(|| {
            service::config::missing(
                "executor.advertiseURL",
                "the address by which the run service reaches this machine cannot be told otherwise",
            )
        })?;
        address.set_ip(own);
    }
    Ok(format!("{scheme}://{address}"))
}

/// The address of this machine from which the run service is reached. Nothing is sent.
fn own_address(runservice_urls: &str) -> Option<IpAddr> {
    // Several instances are reached by the same way.
    let first = runservice_urls.split(',').next()?;
    let url = url::Url::parse(first.trim()).ok()?;
    let targets = url.socket_addrs(|| Some(80)).ok()?;
    targets.into_iter().find_map(|target| {
        let any: SocketAddr = match target.is_ipv4() {
            true => ([0, 0, 0, 0], 0).into(),
            false => ([0_u16; 8], 0).into(),
        };
        let socket = UdpSocket::bind(any).ok()?;
        socket.connect(target).ok()?;
        Some(socket.local_addr().ok()?.ip())
    })
}

impl Engine {
    /// Begins to report and to ask, until the executor stops.
    pub(super) fn link(&self) {
        let (telling, asking) = (self.clone(), self.clone());
        let stopping = self.inner.stopping.clone();
        let until = stopping.clone();
        self.inner.runtime.spawn(async move {
            until.run_until_cancelled(telling.keep_telling()).await;
        });
        self.inner.runtime.spawn(async move {
            stopping.run_until_cancelled(asking.keep_asking()).await;
        });
    }

    async fn keep_telling(&self) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut was_heard = true;
        loop {
            ticks.tick().await;
            self.look_at_health().await;
            let told = self.inner.client.report_executor(&self.as_told()).await;
            match &told {
                Ok(()) if !was_heard => {
                    log::info!(instance = self.instance(); "the run service answers again");
                }
                Err(error) if was_heard => log::warn!(
                    instance = self.instance();
                    "the run service cannot be told of this executor: {}", error.chain()
                ),
                _ => {}
            }
            was_heard = told.is_ok();
        }
    }

    /// What the executor says of itself.
    fn as_told(&self) -> Executor {
        let settings = self.settings();
        let mut labels = settings.labels.clone();
        labels.insert(DRIVER_LABEL.to_owned(), self.inner.driver.name().to_owned());
        // The run service counts the tasks that it has given, up to the moment. A number from here would only be old: there is
        // one if the executor is full for another reason.
        let (active_tasks_limit, active_tasks) = match self.ready() {
            Ok(()) => (settings.active_tasks_limit, 0),
            Err(_) => {
                let limit = settings.active_tasks_limit.max(1);
                (limit, limit)
            }
        };
        Executor {
            id: self.id().to_owned(),
            listen_url: self.inner.listen_url.clone(),
            archs: self.inner.driver.archs(),
            labels,
            allow_privileged_containers: settings.allow_privileged_containers,
            active_tasks_limit,
            active_tasks,
            dynamic: false,
            executor_group: self.id().to_owned(),
            siblings_executors: vec![self.id().to_owned()],
            last_status_update_time: Time::default(),
        }
    }

    async fn keep_asking(&self) {
        let mut next = Instant::now();
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = self.inner.look.notified() => {}
            }
            next = Instant::now() + INTERVAL;
            if let Err(error) = self.ask().await {
                log::debug!(
                    instance = self.instance();
                    "the run service cannot be asked for tasks: {}", error.chain()
                );
            }
        }
    }

    /// Asks for the tasks of this executor: takes those that are new, and forgets those that the run service has forgotten.
    async fn ask(&self) -> Result<(), Error> {
        // Only those that were known before can be missing in the answer for a reason.
        let known = self.inner.table.all();
        let given = self.inner.client.executor_tasks(self.id()).await?;
        let ids: std::collections::HashSet<String> =
            given.iter().map(|task| task.id.clone()).collect();
        for task in given {
            if let Err(error) = self.take(task) {
                log::warn!(instance = self.instance(); "a task was not taken: {}", error.chain());
            }
        }
        let missing = known.into_iter().filter(|task| !ids.contains(task.id()));
        futures::stream::iter(missing)
            .for_each_concurrent(QUESTIONS_MAX, |task| self.forget_if_unknown(task))
            .await;
        Ok(())
    }

    /// Forgets a task if the run service says that it does not know it.
    async fn forget_if_unknown(&self, task: Arc<Task>) {
        match self.inner.client.executor_task(self.id(), task.id()).await {
            Err(error) if is_unknown(&error) => {
                let engine = self.clone();
                // One that is being executed takes a while to end.
                self.inner
                    .runtime
                    .spawn(async move { engine.forget(&task).await });
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Unavailable => {}
            Err(error) => log::debug!(
                instance = self.instance();
                "the run service cannot be asked for task {}: {}", task.id(), error.chain()
            ),
        }
    }
}

//! Which services are run, with which settings, on which sockets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use serde_json::{Map, Value, json};
use service::config::{Sources, Web};

use super::args::{Component, ServeArgs};
use super::directory::DataDirectory;
use super::parts::share;
use crate::exit::Reason;
use crate::output::note;

/// Where the gateway listens if nothing else is said.
const LISTEN_DEFAULT: &str = "127.0.0.1:8000";
/// Where the services behind it listen if there is no file: at a port that is free.
const LISTEN_INSIDE: &str = "127.0.0.1:0";
/// Tasks at once, if there is no file: so many that those of the sample project need not wait for each other.
const ACTIVE_TASKS_LIMIT: u32 = 4;
/// Sections of a file that is made for agola, whose services are not served here.
const NOT_SERVED: [&str; 3] = ["scheduler", "notification", "gitserver"];

/// A service's settings and its socket; none if it is not run.
pub(super) type Bound<S> = Option<(S, TcpListener)>;

/// What is run.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) configstore: Bound<configstore::Settings>,
    pub(super) runservice: Bound<runservice::Settings>,
    pub(super) executor: Bound<executor::Settings>,
    pub(super) gateway: Bound<gateway::Settings>,
}

/// Where the settings come from.
struct Origin {
    sources: Sources,
    /// What is put below the file and the environment.
    below: Map<String, Value>,
}

impl Plan {
    /// Reads the settings and makes the sockets. `directory` is the one that is used if there is no file.
    ///
    /// # Errors
    /// A key that cannot be used, a section that is missing, an address that is in use: named.
    pub(super) fn make(
        args: &ServeArgs,
        directory: Option<&DataDirectory>,
    ) -> anyhow::Result<Plan> {
        let chosen = choose(args)?;
        let is_chosen = |component: Component| chosen.contains(&component);
        if args.listen().is_some() && !is_chosen(Component::Gateway) {
            return Err(Reason::usage("--listen is for the gateway, which is not served").into());
        }
        let mut origin = Origin::of(args, directory)?;
        let mut plan = Plan {
            configstore: None,
            runservice: None,
            executor: None,
            gateway: None,
        };
        if is_chosen(Component::Configstore) {
            let settings = configstore::Settings::load(origin.sources())?;
            let listener = bind(Component::Configstore, &settings.server.web)?;
            origin.put(
                "gateway",
                "configstoreURL",
                url(&settings.server.web, &listener)?,
            );
            plan.configstore = Some((settings, listener));
        }
        if is_chosen(Component::Runservice) {
            let settings = runservice::Settings::load(origin.sources())?;
            let listener = bind(Component::Runservice, &settings.server.web)?;
            let url = url(&settings.server.web, &listener)?;
            origin.put("gateway", "runserviceURL", url.clone());
            origin.put("executor", "runserviceURL", url);
            plan.runservice = Some((settings, listener));
        }
        if is_chosen(Component::Executor) {
            let settings = executor::Settings::load(origin.sources())?;
            let listener = bind(Component::Executor, &settings.server.web)?;
            plan.executor = Some((settings, listener));
        }
        if is_chosen(Component::Gateway) {
            let web = gateway::Settings::load(origin.sources())?.web;
            let listener = bind(Component::Gateway, &web)?;
            let url = url(&web, &listener)?;
            origin.put("gateway", "apiExposedURL", url.clone());
            origin.put("gateway", "webExposedURL", url);
            let settings = gateway::Settings::load(origin.sources())?;
            plan.gateway = Some((settings, listener));
        }
        Ok(plan)
    }

    /// Whether one of the services is to log more.
    pub(super) fn is_debugging(&self) -> bool {
        let configstore = self.configstore.as_ref();
        let runservice = self.runservice.as_ref();
        let executor = self.executor.as_ref();
        let gateway = self.gateway.as_ref();
        configstore.is_some_and(|(settings, _)| settings.server.debug)
            || runservice.is_some_and(|(settings, _)| settings.server.debug)
            || executor.is_some_and(|(settings, _)| settings.server.debug)
            || gateway.is_some_and(|(settings, _)| settings.debug)
    }

    /// Whether the gateway listens beyond the loopback address, without TLS.
    pub(super) fn is_open_to_others(&self) -> bool {
        self.gateway.as_ref().is_some_and(|(settings, listener)| {
            let address = listener.local_addr();
            !settings.web.tls && address.is_ok_and(|address| !address.ip().is_loopback())
        })
    }

    /// The names of the services and their URLs, the outermost first.
    pub(super) fn urls(&self) -> Vec<(&'static str, String)> {
        let mut urls = Vec::new();
        let mut add = |component: Component, web: &Web, listener: &TcpListener| {
            // A socket that listens has an address.
            urls.extend(url(web, listener).map(|url| (component.name(), url)));
        };
        if let Some((settings, listener)) = &self.gateway {
            add(Component::Gateway, &settings.web, listener);
        }
        if let Some((settings, listener)) = &self.configstore {
            add(Component::Configstore, &settings.server.web, listener);
        }
        if let Some((settings, listener)) = &self.runservice {
            add(Component::Runservice, &settings.server.web, listener);
        }
        if let Some((settings, listener)) = &self.executor {
            add(Component::Executor, &settings.server.web, listener);
        }
        urls
    }

    /// Gives each service the part of the time for stopping that is left when it is told to stop, and returns the whole: the
    /// longest of their own.
    pub(super) fn divide_stop_timeout(&mut self) -> Duration {
        let gateway = self.gateway.as_mut();
        let executor = self.executor.as_mut();
        let runservice = self.runservice.as_mut();
        let configstore = self.configstore.as_mut();
        // In the order of their stops.
        let own = [
            gateway.map(|(settings, _)| &mut settings.shutdown_timeout),
            executor.map(|(settings, _)| &mut settings.server.shutdown_timeout),
            runservice.map(|(settings, _)| &mut settings.server.shutdown_timeout),
            configstore.map(|(settings, _)| &mut settings.server.shutdown_timeout),
        ];
        let own: Vec<&mut Duration> = own.into_iter().flatten().collect();
        let whole = own.iter().map(|own| **own).max().unwrap_or_default();
        let share = share(whole, own.len());
        let mut left = whole;
        for own in own {
            *own = left.min(*own);
            left = left.saturating_sub(share);
        }
        whole
    }
}

impl Origin {
    fn of(args: &ServeArgs, directory: Option<&DataDirectory>) -> anyhow::Result<Origin> {
        let mut sources = args.sources()?;
        if let Some(data) = args.given_data() {
            let data = std::path::absolute(data)
                .with_context(|| format!("the directory {:?} cannot be used", data.display()))?;
            for (section, path) in places(&data) {
                sources = sources.set(format!("{section}.dataDir"), path);
            }
        }
        if let Some(listen) = args.listen() {
            sources = sources.set("gateway.web.listenAddress", listen);
        }
        let mut origin = Origin {
            sources,
            below: Map::new(),
        };
        if let Some(directory) = directory {
            origin.embed(directory);
        }
        Ok(origin)
    }

    /// What holds without a file: everything below one directory, and nothing beyond the loopback address.
    fn embed(&mut self, directory: &DataDirectory) {
        for (section, path) in places(directory.path()) {
            self.put(section, "dataDir", path);
        }
        let admin_token = directory.admin_token().display().to_string();
        self.put("gateway", "adminTokenFile", admin_token);
        let token = directory.services_token().display().to_string();
        for (section, key) in [
            ("configstore", "bearerTokenFile"),
            ("runservice", "bearerTokenFile"),
            ("runservice", "executorTokenFile"),
            ("executor", "bearerTokenFile"),
            ("executor", "runserviceTokenFile"),
            ("gateway", "servicesTokenFile"),
        ] {
            self.put(section, key, token.as_str());
        }
        for section in ["configstore", "runservice", "executor"] {
            self.put(section, "web", json!({"listenAddress": LISTEN_INSIDE}));
        }
        self.put("gateway", "web", json!({"listenAddress": LISTEN_DEFAULT}));
        self.put("executor", "driver", json!({"type": "host"}));
        self.put("executor", "activeTasksLimit", ACTIVE_TASKS_LIMIT);
    }

    fn put(&mut self, section: &str, key: &str, value: impl Into<Value>) {
        let section = self.below.entry(section).or_insert_with(|| json!({}));
        section[key] = value.into();
    }

    fn sources(&self) -> Sources {
        // JSON is YAML.
        let below = Value::Object(self.below.clone()).to_string();
        self.sources.clone().text(below)
    }
}

/// Where each service keeps what it has, below one directory.
fn places(data: &Path) -> [(&'static str, String); 4] {
    Component::ALL.map(|component| {
        let name = component.name();
        (name, data.join(name).display().to_string())
    })
}

/// The services that are served: all of them, or those of the file that `--components` names if it is given.
fn choose(args: &ServeArgs) -> anyhow::Result<Vec<Component>> {
    let Some(file) = args.file() else {
        return Ok(Component::ALL.to_vec());
    };
    let file = file.display();
    let sections = args.sources()?.load()?.file_sections();
    let has = |name: &str| sections.iter().any(|section| section == name);
    let mut chosen = Vec::new();
    for component in Component::ALL {
        match (args.names(component), has(component.name())) {
            (Some(true), false) => {
                let name = component.name();
                let message =
                    format!("--components names {name}, and {file} has no section {name}");
                return Err(Reason::usage(message).into());
            }
            (Some(true) | None, true) => chosen.push(component),
            (Some(false), _) | (None, false) => {}
        }
    }
    if chosen.is_empty() {
        let message = format!(
            "{file} has no section of a service: configstore, runservice, executor and gateway are those"
        );
        return Err(Reason::usage(message).into());
    }
    for section in NOT_SERVED.into_iter().filter(|section| has(section)) {
        let why = match section {
            "scheduler" => "the run service does its work",
            _ => "there is no such service yet",
        };
        note(format_args!(
            "the section {section} of {file} is left out: {why}"
        ));
    }
    Ok(chosen)
}

fn bind(component: Component, web: &Web) -> anyhow::Result<TcpListener> {
    Ok(service::bind(component.name(), web)?)
}

/// The URL at which a service is reached from this machine.
fn url(web: &Web, listener: &TcpListener) -> anyhow::Result<String> {
    let scheme = match web.tls {
        true => "https",
        false => "http",
    };
    Ok(format!("{scheme}://{}", reached_at(listener.local_addr()?)))
}

/// The address by which a socket is reached from this machine that listens on `address`.
fn reached_at(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

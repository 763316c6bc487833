//! The command line of `dm serve`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use service::config::{Arguments, Sources};

/// Where everything is if nothing else is said.
const DATA_DEFAULT: &str = "./data";

/// What is served, and how.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    arguments: Arguments,

    /// Of the services that the file has sections for, these alone; separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',', requires = "config")]
    components: Vec<Named>,

    /// The directory with all data; without a file ./data, with one what the file says
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// Where the gateway listens; without a file 127.0.0.1:8000, with one what the file says
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
}

/// A service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Component {
    Configstore,
    Runservice,
    Executor,
    Gateway,
}

impl Component {
    pub(super) const ALL: [Component; 4] = [
        Component::Configstore,
        Component::Runservice,
        Component::Executor,
        Component::Gateway,
    ];

    /// As its section is called.
    pub(super) fn name(self) -> &'static str {
        match self {
            Component::Configstore => "configstore",
            Component::Runservice => "runservice",
            Component::Executor => "executor",
            Component::Gateway => "gateway",
        }
    }
}

/// What `--components` can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Named {
    Configstore,
    Runservice,
    Executor,
    Gateway,
    /// All but the executor
    AllBase,
}

impl Named {
    fn is(self, component: Component) -> bool {
        match self {
            Named::Configstore => component == Component::Configstore,
            Named::Runservice => component == Component::Runservice,
            Named::Executor => component == Component::Executor,
            Named::Gateway => component == Component::Gateway,
            Named::AllBase => component != Component::Executor,
        }
    }
}

impl ServeArgs {
    /// The configuration file.
    pub(super) fn file(&self) -> Option<&Path> {
        self.arguments.config.as_deref()
    }

    /// The data directory that is used without a file.
    pub(super) fn data(&self) -> &Path {
        self.data.as_deref().unwrap_or(Path::new(DATA_DEFAULT))
    }

    /// The data directory, if one is given.
    pub(super) fn given_data(&self) -> Option<&Path> {
        self.data.as_deref()
    }

    /// Where the gateway listens, if it is given.
    pub(super) fn listen(&self) -> Option<&str> {
        self.listen.as_deref()
    }

    /// Whether a service is among those that `--components` names; none if it names none.
    pub(super) fn names(&self, component: Component) -> Option<bool> {
        let named = &self.components;
        (!named.is_empty()).then(|| named.iter().any(|named| named.is(component)))
    }

    /// The flags, the environment and the file.
    pub(super) fn sources(&self) -> Result<Sources, service::Error> {
        self.arguments.clone().sources()
    }
}

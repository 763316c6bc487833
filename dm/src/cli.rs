//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand};
use clap_complete::Shell;
use datamanager::LogKind;

use crate::commands::{
    ConfigstoreArgs, ExportArgs, LoadArgs, MaintenanceAction, MarkStale, ScanArgs, parse_term,
};
use crate::etcd::EtcdArgs;
use crate::remote::RemoteCommand;
#[cfg(feature = "serve")]
use crate::serve::ServeArgs;

/// Where a store is if nothing else is said.
const DEFAULT_STORE: &str = "file://./data/dm";

/// Operate a datamanager store, and ask a gateway about projects and runs.
///
/// Data goes to standard output, everything else to standard error.
/// Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Cli {
    /// Print JSON, one value a line
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Log more to standard error; twice for still more. RUST_LOG chooses in detail
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    // Behind the others, which would stand below its heading.
    #[command(flatten)]
    pub(crate) store: StoreArgs,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Which store.
#[derive(Debug, Args)]
#[command(next_help_heading = "Store")]
pub(crate) struct StoreArgs {
    /// Where the store is: file:///absolute/path, file://./relative/path, a bare path, or s3://, gs://, az:// with
    /// bucket and path. Writing makes it if the place is empty
    #[arg(long, global = true, value_name = "URL", env = "DM_STORE", default_value = DEFAULT_STORE)]
    pub(crate) store: String,

    /// Where the log is kept: in files for one writing process, in objects for many, or in etcd, which --etcd alone says too.
    /// It says how a store is made; one that is there is refused if its log is another (see switch-log)
    #[arg(long, global = true, value_name = "file|object|etcd")]
    pub(crate) log: Option<LogKind>,

    /// A path below the URL's own
    #[arg(long, global = true, value_name = "P")]
    pub(crate) base_path: Option<String>,

    /// A directory on a local disk that keeps parts of data files which were read, for a store that is far away; each dm that
    /// runs needs its own
    #[arg(long, global = true, value_name = "DIRECTORY", env = "DM_DISK_CACHE")]
    pub(crate) disk_cache: Option<PathBuf>,

    /// Bytes that this directory takes, at most; 1 GiB if not given
    #[arg(long, global = true, value_name = "BYTES", env = "DM_DISK_CACHE_BYTES")]
    pub(crate) disk_cache_bytes: Option<u64>,

    #[command(flatten)]
    pub(crate) etcd: EtcdArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Store one entry, replacing what is there
    ///
    /// Its position in the log is printed to standard error, or with --json to standard output.
    Put {
        /// The data type: 1 to 64 of a-z 0-9 _ -
        #[arg(value_name = "TYPE")]
        data_type: String,
        id: String,
        /// The file with the bytes to store; - is standard input
        #[arg(default_value = "-")]
        file: PathBuf,
        #[command(flatten)]
        indexes: MarkStale,
    },
    /// Print the stored bytes of one entry
    ///
    /// They are printed exactly; a line feed is added only when standard output is a terminal. With --json the entry is
    /// printed as scan does. Exit code 3 if there is no such entry.
    Get {
        #[arg(value_name = "TYPE")]
        data_type: String,
        id: String,
    },
    /// Delete one entry
    ///
    /// Exit code 3 if there is no such entry.
    Delete {
        #[arg(value_name = "TYPE")]
        data_type: String,
        id: String,
        #[command(flatten)]
        indexes: MarkStale,
    },
    /// Print the entries of a type in order, the stored bytes and a line feed each
    ///
    /// With --json {"id","data"} each, or {"id","data_base64"} where the stored bytes are not JSON.
    Scan(ScanArgs),
    /// Print the data types that have entries
    Types,
    /// Print how many entries a type has
    Count {
        #[arg(value_name = "TYPE")]
        data_type: String,
    },
    /// Store many documents: one a line (NDJSON), or the elements of a JSON array
    ///
    /// Documents are stored byte for byte, so that a scan gives NDJSON back as it was. Each batch is one transaction:
    /// it is stored as a whole or not at all, and when something is wrong the batches before stay.
    /// With --json {"rows","first_row","last_row","seq"} is printed for each batch as soon as it is stored.
    Load(LoadArgs),
    /// Print figures of the store
    Status,
    /// Read every part of the store and check it; exit code 1 if there is damage
    Verify,
    /// Print the records of the log, without the values
    Wal {
        /// The number of the first record to print
        #[arg(long, value_name = "SEQ", default_value_t = 1)]
        from: u64,
    },
    /// Print each transaction as it is committed, one JSON object a line, until stopped; works beside a writer
    ///
    /// {"cursor","epoch","seq","index","time","writes"} each, and for each write {"type","id"} with "data" or
    /// "data_base64" as scan prints it, or "deleted": true, and "expires_at" if it expires. Times are milliseconds since
    /// the Unix epoch.
    Follow {
        /// Begin with the record of this number; with what is committed from now on if not given
        #[arg(long, value_name = "SEQ")]
        from: Option<u64>,
    },
    /// Serve everything in one process, or the services that a configuration file describes, until stopped
    ///
    /// Without a file configstore, runservice, executor and gateway are served, all data is in ./data, and nothing can be
    /// reached from another machine. The first start makes the user demo and a project to look at. Variables of the
    /// environment like DM_GATEWAY__WEB__LISTEN_ADDRESS come between the flags and the file.
    #[cfg(feature = "serve")]
    Serve(ServeArgs),
    /// Operate the store of a configstore, as its configuration describes it
    Configstore(ConfigstoreArgs),
    /// Write what only the log holds to data files, so that opening replays less
    Checkpoint,
    /// Merge all data files into one run and leave out what is deleted or has expired
    Compact,
    /// Remove data files, manifests and log files that nothing needs any more, and print the keys of the first two
    Gc {
        /// Only say what would be removed
        #[arg(long)]
        dry_run: bool,
    },
    /// Keep the store's files as they are now, whatever becomes of it; works beside a writer
    Pin {
        /// 1 to 100 of a-z A-Z 0-9 - _
        name: String,
        /// How long, such as 90s, 15m, 12h or 7d; until it is removed if not given
        #[arg(long = "for", value_name = "DURATION", value_parser = parse_term)]
        term: Option<Duration>,
    },
    /// Remove a pin
    ///
    /// Exit code 3 if there is no such pin.
    Unpin { name: String },
    /// Print all pins
    Pins,
    /// Write the whole store to a file or to standard output, beside whoever writes
    ///
    /// One state is exported, the newest. A file that is given with -o appears only once it is whole.
    Export(ExportArgs),
    /// Replace everything in the store by the content of an export; needs maintenance
    ///
    /// The input is read to its end and checked before anything changes; then the store holds it and nothing else, in
    /// every process. Maintenance stays on until it is switched off.
    Import {
        /// The file; - is standard input. Format and compression are found out
        file: PathBuf,
        /// Do not wait for processes that have not reported maintenance
        #[arg(long)]
        force: bool,
    },
    /// Refuse transactions in all processes, accept them again, or say which
    Maintenance {
        #[arg(value_enum)]
        action: MaintenanceAction,
        /// With off: abandon an import that is under way
        #[arg(long)]
        force: bool,
    },
    /// Move the log to files (one writing process), to objects or to etcd (many); no process may have the store open for
    /// writing
    ///
    /// To etcd and from there needs --etcd.
    SwitchLog {
        #[arg(value_name = "file|object|etcd")]
        to: String,
    },
    /// Write records in the newest format from now on, which older versions cannot read
    Upgrade,
    /// Delete all entries of a type whose id begins with a prefix; can be repeated after a failure
    DeletePrefix {
        #[arg(value_name = "TYPE")]
        data_type: String,
        prefix: String,
        #[command(flatten)]
        indexes: MarkStale,
    },
    /// Delete all entries of a type; can be repeated after a failure
    Drop {
        #[arg(value_name = "TYPE")]
        data_type: String,
        #[command(flatten)]
        indexes: MarkStale,
    },
    /// Mark all indexes of a type stale, so that the next program that knows the type builds them anew
    ///
    /// Exit code 3 if the type has no indexes.
    Reindex {
        #[arg(value_name = "TYPE")]
        data_type: String,
    },
    #[command(flatten)]
    Remote(RemoteCommand),
    /// Print a script that completes commands in a shell
    ///
    /// For bash: source <(dm completions bash)
    Completions { shell: Shell },
}

impl Command {
    /// Whether it starts to write log lines by itself, since its configuration says which.
    pub(crate) fn starts_logging(&self) -> bool {
        match self {
            #[cfg(feature = "serve")]
            Command::Serve(_) => true,
            _ => false,
        }
    }
}

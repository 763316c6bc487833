//! Log lines of a program that runs servers.
//!
//! A line that is written on behalf of a running server has the key `instance` with the server's unique name; so have
//! those of its store. Changes have the target `audit`, requests the target `access` at level debug.

/// Begins to write log lines to standard error. `RUST_LOG` chooses them; without it those of level info, or debug for our
/// own crates if `debug` is given. Calling it again has no effect.
pub fn start(debug: bool) {
    let filter = match debug {
        true => {
            "info,service=debug,datamanager=debug,ost=debug,access=debug,configstore=debug,runservice=debug,gateway=debug,executor=debug"
        }
        false => "info",
    };
    let environment = env_logger::Env::default().default_filter_or(filter);
    // An error says that there is a logger already.
    let _ = env_logger::Builder::from_env(environment).try_init();
}

//! `dm serve` with a configuration file: the services that it has sections for.

use std::path::Path;

use tempfile::TempDir;

use crate::end_to_end::{Weather, do_it_all};
use crate::served::{Served, free_addresses, wait_until_ready};

const ADMIN_TOKEN: &str = "the-token-of-the-administrator";
const FREE: &str = "{listenAddress: '127.0.0.1:0'}";

fn directory_with(file: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("config.yml"), file).unwrap();
    directory
}

fn start(directory: &Path, arguments: &[&str]) -> Served {
    let arguments = [&["--config", "config.yml"], arguments].concat();
    Served::start(directory, &arguments)
}

/// Field cases OP-02 and OP-03: a service looked at the section of another one, and a misspelt key had no effect.
#[test]
fn each_service_can_be_served_alone_and_asks_for_its_own_section_alone() {
    let sections = [
        ("configstore", format!("web: {FREE}")),
        ("runservice", format!("web: {FREE}")),
        ("executor", format!("web: {FREE}, driver: {{type: host}}")),
        ("gateway", format!("web: {FREE}")),
    ];
    for (name, section) in &sections {
        // What the others have in theirs would stop them.
        let others = sections.iter().filter(|(other, _)| other != name);
        let others: Vec<String> = others
            .map(|(other, _)| format!("{other}: {{nonsense: true}}"))
            .collect();
        let file = format!("{name}: {{{section}}}\n{}\n", others.join("\n"));
        let directory = directory_with(&file);
        let mut served = start(directory.path(), &["--components", name, "--data", "here"]);
        let url = served.line(name);
        assert!(url.starts_with("http://127.0.0.1:"), "{url}");
        assert_eq!(served.stop(), Some(0), "{}", served.stderr());

        let other = others[0].split(':').next().unwrap();
        let both = format!("{name},{other}");
        let served = start(directory.path(), &["--components", &both]);
        served.fails_with(1, &[&format!("{other}.nonsense"), "config.yml"]);
    }
}

/// Each gateway of an installation made a token of its own, since `--data` went before `adminTokenFile`.
#[test]
fn data_moves_the_directories_of_services_and_not_the_files_that_the_configuration_names() {
    let directory = directory_with(&format!("gateway: {{web: {FREE}, adminTokenFile: token}}"));
    let mut served = start(directory.path(), &["--data", "here"]);
    served.line("gateway");
    assert_eq!(served.stop(), Some(0), "{}", served.stderr());
    assert!(directory.path().join("token").exists());
    assert!(!directory.path().join("here/admin-token").exists());
}

#[test]
fn what_cannot_be_served_is_named() {
    let no_driver = format!("executor: {{web: {FREE}}}");
    for (file, arguments, code, parts) in [
        (
            "",
            &[][..],
            2,
            &["config.yml", "has no section of a service"][..],
        ),
        (
            "gateway: {}",
            &["--components", "executor"],
            2,
            &["has no section executor"],
        ),
        (
            "configstore: {}",
            &["--components", "web"],
            2,
            &["all-base"],
        ),
        (
            "configstore: {}",
            &["--listen", "127.0.0.1:0"],
            2,
            &["--listen", "gateway"],
        ),
        ("configstroe: {}", &[], 1, &["configstroe"]),
        (&no_driver, &[], 1, &["executor.driver.type"]),
        (
            "gateway: {web: {listenAddress: nowhere}}",
            &[],
            1,
            &["gateway.web.listenAddress", "nowhere"],
        ),
    ] {
        let directory = directory_with(file);
        let mut served = start(directory.path(), arguments);
        assert_eq!(served.wait(), Some(code), "{file}: {}", served.stderr());
        for part in parts {
            assert!(
                served.stderr().contains(part),
                "{part}: {}",
                served.stderr()
            );
        }
    }
    let directory = directory_with("");
    let served = Served::start(directory.path(), &["--config", "nothing.yml"]);
    served.fails_with(1, &["nothing.yml"]);
    let mut served = Served::start(directory.path(), &["--components", "gateway"]);
    assert_eq!(served.wait(), Some(2));
    assert!(!directory.path().join("data").exists());
}

#[cfg(not(feature = "etcd"))]
#[test]
fn a_log_in_etcd_is_refused_with_the_feature_that_it_needs() {
    let directory = directory_with(&format!("configstore: {{web: {FREE}, etcd: {{}}}}"));
    let served = start(directory.path(), &[]);
    served.fails_with(1, &["configstore.etcd", "--features etcd"]);
}

/// A file as agola has it, with sections of services that are not there; everything in one process.
#[tokio::test]
async fn all_sections_are_served_in_one_process_with_their_own_settings() {
    let addresses = free_addresses(4);
    let file = format!(
        "id: one
scheduler: {{runserviceURL: 'http://{runservice}'}}
notification: {{webExposedURL: 'http://{gateway}'}}
gitserver: {{dataDir: git}}
configstore: {{dataDir: both, web: {{listenAddress: '{configstore}'}}}}
runservice: {{dataDir: both, web: {{listenAddress: '{runservice}'}}}}
executor:
  dataDir: executor
  runserviceURL: http://{runservice}
  driver: {{type: host}}
  web: {{listenAddress: '{executor}'}}
gateway:
  configstoreURL: http://{configstore}
  runserviceURL: http://{runservice}
  web: {{listenAddress: '{gateway}'}}
",
        configstore = addresses[0],
        runservice = addresses[1],
        executor = addresses[2],
        gateway = addresses[3],
    );
    let directory = directory_with(&file);
    let arguments = ["--config", "config.yml"];
    let environment = [("DM_GATEWAY__ADMIN_TOKEN", ADMIN_TOKEN)];
    let mut served = Served::start_with(directory.path(), &arguments, &environment);
    let url = served.line("gateway");
    assert_eq!(url, format!("http://{}", addresses[3]));
    for name in ["scheduler", "notification", "gitserver"] {
        let told = format!("the section {name} of config.yml is left out");
        assert!(served.stderr().contains(&told), "{}", served.stderr());
    }
    wait_until_ready(&url, ADMIN_TOKEN).await;
    do_it_all(&url, ADMIN_TOKEN, Weather::Calm, |_| {}).await;
    assert_eq!(served.stop(), Some(0), "{}", served.stderr());
    // Nothing was made for somebody to look at.
    assert!(!directory.path().join("data").exists());
    assert!(!served.stdout().contains("demo"));
}

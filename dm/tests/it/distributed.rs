//! Two of each service as processes of their own, with their logs in etcd and their data in a bucket.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datamanager::testing::{Etcd, EtcdOptions};
use ost::testing::S3Server;
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::end_to_end::{Stage, Weather, do_it_all, find_again};
use crate::served::{Served, free_addresses, wait_until_ready};

const ADMIN_TOKEN: &str = "the-token-of-the-administrator";
const COMPONENTS: [&str; 4] = ["configstore", "runservice", "executor", "gateway"];

/// Field case OP-02 as well: each process asks for its own section alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_gets_to_the_log_of_a_run_while_one_of_each_service_is_killed() {
    if !Etcd::can_run().unwrap() {
        return;
    }
    let mut installation = Installation::start();
    let balancer = Balancer::start(installation.addresses("gateway")).await;
    let url = balancer.url();
    wait_until_ready(&url, ADMIN_TOKEN).await;
    let made = do_it_all(&url, ADMIN_TOKEN, Weather::Kills, |stage| match stage {
        Stage::UserMade => installation.kill("configstore", 0),
        Stage::ProjectMade => installation.kill("runservice", 0),
        Stage::RunMade => installation.kill("gateway", 0),
        Stage::LogBegun => {
            let busy = installation.busy_executor();
            installation.kill("executor", busy);
        }
    });
    let made = made.await;
    assert_eq!(installation.killed, 4);
    find_again(&url, &made).await;
}

/// The processes, and what they share.
struct Installation {
    // Killed first.
    served: Vec<(&'static str, Option<Served>)>,
    addresses: Vec<(&'static str, SocketAddr)>,
    killed: usize,
    directory: TempDir,
    _etcd: Etcd,
    _s3: S3Server,
}

impl Installation {
    /// Two of each service, which serve.
    fn start() -> Installation {
        let etcd = Etcd::start(EtcdOptions::new()).unwrap();
        let s3 = S3Server::start().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let services = COMPONENTS.into_iter().flat_map(|name| [name, name]);
        let addresses: Vec<_> = services.zip(free_addresses(2 * COMPONENTS.len())).collect();
        let file = write_configuration(directory.path(), &addresses, &etcd, &s3);
        let mut served = Vec::new();
        for (index, (name, address)) in addresses.iter().enumerate() {
            let address = format!("{name}.web.listenAddress={address}");
            let data = data_directory(directory.path(), index);
            let arguments = [
                "--config",
                file.to_str().unwrap(),
                "--components",
                name,
                "--data",
                data.to_str().unwrap(),
                "--set",
                &address,
            ];
            let process = Served::start_with(directory.path(), &arguments, &s3.environment());
            served.push((*name, Some(process)));
        }
        for (name, served) in &mut served {
            served.as_mut().unwrap().line(name);
        }
        Installation {
            served,
            addresses,
            killed: 0,
            directory,
            _etcd: etcd,
            _s3: s3,
        }
    }

    fn addresses(&self, name: &str) -> Vec<SocketAddr> {
        let addresses = self.addresses.iter();
        let addresses = addresses.filter(|(service, _)| *service == name);
        addresses.map(|(_, address)| *address).collect()
    }

    /// Kills the first or the second instance of a service (SIGKILL).
    fn kill(&mut self, name: &str, which: usize) {
        let mut of_service = self
            .served
            .iter_mut()
            .filter(|(service, _)| *service == name);
        let (_, served) = of_service.nth(which).unwrap();
        served.take().unwrap().kill();
        self.killed += 1;
    }

    /// The executor that has a task.
    fn busy_executor(&self) -> usize {
        let executors = self.addresses.iter().enumerate();
        let executors = executors.filter(|(_, (name, _))| *name == "executor");
        let mut busy = executors.map(|(index, _)| {
            let tasks = data_directory(self.directory.path(), index).join("executor/tasks");
            std::fs::read_dir(tasks).unwrap().count() > 0
        });
        busy.position(|is_busy| is_busy).unwrap()
    }
}

fn data_directory(directory: &Path, index: usize) -> PathBuf {
    directory.join(format!("data{index}"))
}

/// One file for all of them. What differs between two instances is given by flags.
fn write_configuration(
    directory: &Path,
    addresses: &[(&str, SocketAddr)],
    etcd: &Etcd,
    s3: &S3Server,
) -> PathBuf {
    let urls = |name: &str| {
        let of_service = addresses.iter().filter(|(service, _)| *service == name);
        let urls: Vec<String> = of_service
            .map(|(_, address)| format!("http://{address}"))
            .collect();
        urls.join(",")
    };
    let write = |name: &str, content: &str| {
        let path = directory.join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let token = write("services-token", "the-token-of-the-services");
    let key = write("secret-key", &"0123456789abcdef".repeat(4));
    let store = format!(
        "{{endpoints: '{}'}}\n  objectStorage: {{type: s3, endpoint: 'http://{}', bucket: bucket, location: eu-test-1}}",
        etcd.endpoints().join(","),
        s3.address()
    );
    let text = format!(
        "id: distributed
configstore:
  etcd: {store}
  bearerTokenFile: {token}
  secretKeys: [{{id: k1, keyFile: {key}}}]
runservice:
  etcd: {store}
  bearerTokenFile: {token}
  executorTokenFile: {token}
  executorDeadAfter: 1s
  executorLostAfter: 3s
executor:
  runserviceURL: {runservice}
  runserviceTokenFile: {token}
  bearerTokenFile: {token}
  driver: {{type: host}}
gateway:
  configstoreURL: {configstore}
  runserviceURL: {runservice}
  servicesTokenFile: {token}
  adminToken: {ADMIN_TOKEN}
",
        runservice = urls("runservice"),
        configstore = urls("configstore"),
    );
    write("config.yml", &text).into()
}

/// What stands in front of several gateways: each connection goes to one of them that accepts it.
struct Balancer {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Balancer {
    async fn start(targets: Vec<SocketAddr>) -> Balancer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let (targets, next) = (Arc::new(targets), AtomicUsize::new(0));
            while let Ok((connection, _)) = listener.accept().await {
                let first = next.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(pass_on(connection, targets.clone(), first));
            }
        });
        Balancer { address, task }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass_on(mut connection: TcpStream, targets: Arc<Vec<SocketAddr>>, first: usize) {
    for index in 0..targets.len() {
        let target = targets[(first + index) % targets.len()];
        if let Ok(mut target) = TcpStream::connect(target).await {
            // The end of either is the end of both.
            let _ = copy_bidirectional(&mut connection, &mut target).await;
            return;
        }
    }
}

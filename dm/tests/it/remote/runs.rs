//! Runs, from their start to their logs.

use super::host::Host;

pub(crate) const HELLO: &str = "
runs:
  - name: hello
    tasks:
      - name: build
        runtime: {type: host}
        steps: [{run: echo building}, {run: 'echo built; echo twice'}]
      - name: test
        runtime: {type: host}
        depends: [build]
        steps: [{run: echo testing}]
";

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_started_followed_and_found_again() {
    let host = Host::start().await;
    let admin = host.admin();
    admin.dm(&["user", "create", "ann"]).done();
    let token = admin.dm(&["user", "token", "create", "ann", "t1"]).done();
    let ann = host.with_token(token.trim());
    let file = host.file("hello.yml", HELLO);
    let started = ann.dm(&["run", "start", "--file", file.to_str().unwrap(), "--follow"]);
    let log = started.done();
    for line in [
        "build | building\n",
        "build | built\nbuild | twice\n",
        "test  | testing\n",
    ] {
        assert!(log.contains(line), "{log}");
    }
}

//! Evaluates run definitions, for programs that do not do so themselves. It is started by them only.

fn main() -> std::process::ExitCode {
    runconfig::evaluate_if_asked();
    std::process::ExitCode::FAILURE
}

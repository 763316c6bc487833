//! The connection to a service, where `object_store` does not look closely enough.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use object_store::{ClientOptions, Result};

use super::attempts::Attempts;

/// What a service answers to a conditional put that met another one; nothing was stored.
const CONFLICT: u16 = 409;

/// An answer that `object_store` takes as one to try again after.
const TOO_MANY_REQUESTS: u16 = 429;

/// The longest wait that a service can ask for before the next attempt.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(10);

/// The oldest signature that is sent. S3 takes those of the last 15 minutes.
const SIGNATURE_AGE_MAX: Duration = Duration::from_secs(4 * 60);

/// Connects as `connector` does, and watches the attempts of creates.
#[derive(Debug)]
pub(super) struct Watching<Connector> {
    connector: Connector,
    /// Whether 409 says that nothing is decided yet (S3), instead of that the object exists.
    conflict_is_undecided: bool,
}

impl<Connector> Watching<Connector> {
    pub(super) fn new(connector: Connector, conflict_is_undecided: bool) -> Watching<Connector> {
        Watching {
            connector,
            conflict_is_undecided,
        }
    }
}

impl<Connector: HttpConnector> HttpConnector for Watching<Connector> {
    fn connect(&self, options: &ClientOptions) -> Result<HttpClient> {
        let client = self.connector.connect(options)?;
        let conflict_is_undecided = self.conflict_is_undecided;
        Ok(HttpClient::new(WatchingService {
            client,
            conflict_is_undecided,
        }))
    }
}

#[derive(Debug)]
struct WatchingService {
    client: HttpClient,
    conflict_is_undecided: bool,
}

#[async_trait]
impl HttpService for WatchingService {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        refuse_old_signature(&request)?;
        let attempts = request.extensions().get::<Attempts>().cloned();
        let result = self.client.execute(request).await;
        let result = match attempts {
            Some(attempts) => self.watch(&attempts, result),
            None => result,
        };
        if let Ok(response) = &result {
            tokio::time::sleep(wait_asked_for(response)).await;
        }
        result
    }
}

impl WatchingService {
    /// Notes whether the attempt of a create may have been stored.
    fn watch(
        &self,
        attempts: &Attempts,
        result: Result<HttpResponse, HttpError>,
    ) -> Result<HttpResponse, HttpError> {
        match result {
            Ok(mut response) => {
                match response.status().as_u16() {
                    CONFLICT if self.conflict_is_undecided => {
                        if let Ok(status) = TOO_MANY_REQUESTS.try_into() {
                            *response.status_mut() = status;
                        }
                    }
                    // Behind a gateway's error the service may have done its work.
                    408 | 500.. => attempts.leave_open(),
                    _ => {}
                }
                Ok(response)
            }
            Err(error) => {
                if error.kind() != HttpErrorKind::Connect {
                    attempts.leave_open();
                }
                Err(error)
            }
        }
    }
}

/// An error for a request that was signed long ago, because the process was stopped between two attempts.
///
/// The service would call it a wrong clock. It is not sent, so that nothing is open; whoever asks again signs again.
fn refuse_old_signature(request: &HttpRequest) -> Result<(), HttpError> {
    let date = request.headers().get("x-amz-date");
    let signed = date.and_then(|date| signed_at(date.to_str().ok()?));
    let age = signed.and_then(|signed| SystemTime::now().duration_since(signed).ok());
    match age {
        // This kind is not tried again with the same signature.
        Some(age) if age > SIGNATURE_AGE_MAX => Err(HttpError::new(
            HttpErrorKind::Unknown,
            std::io::Error::other(format!(
                "the request was signed {} s ago and not sent any more",
                age.as_secs()
            )),
        )),
        _ => Ok(()),
    }
}

/// The time in a date such as `20260131T235959Z`.
fn signed_at(date: &str) -> Option<SystemTime> {
    let number = |from: usize, to: usize| date.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    // Years that begin in March end with the day that some of them lack.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year.checked_sub(1)?, month + 9)
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day;
    let days = days.checked_sub(719_469)?;
    let seconds = (days * 24 + number(9, 11)?) * 3600 + number(11, 13)? * 60 + number(13, 15)?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// How long a throttling service wants to be left alone, beyond the waits that are made anyway.
fn wait_asked_for(response: &HttpResponse) -> Duration {
    if !matches!(response.status().as_u16(), TOO_MANY_REQUESTS | 503) {
        return Duration::ZERO;
    }
    let seconds = response.headers().get("retry-after");
    let seconds = seconds.and_then(|seconds| seconds.to_str().ok()?.trim().parse().ok());
    Duration::from_secs(seconds.unwrap_or_default()).min(RETRY_AFTER_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_signatures_are_read() {
        for (date, seconds) in [
            ("19700101T000000Z", 0),
            ("20000229T123456Z", 951_827_696),
            ("20260131T235959Z", 1_769_903_999),
            ("20240301T000000Z", 1_709_251_200),
        ] {
            let expected = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(signed_at(date), Some(expected), "{date}");
        }
        for wrong in ["", "2026", "x0260131T235959Z", "19600101T000000Z"] {
            assert_eq!(signed_at(wrong), None, "{wrong}");
        }
    }
}

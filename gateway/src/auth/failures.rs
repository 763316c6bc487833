//! How often somebody has shown what is no credential.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::TokenHash;
use crate::config::AuthenticationFailures;
use crate::{Error, ErrorKind};

/// Addresses that are remembered, at most.
const ADDRESSES_MAX: usize = 10_000;
/// Good tokens that are remembered, at most.
const GOOD_TOKENS_MAX: usize = 10_000;
/// How long a good token is remembered.
const GOOD_TOKEN_AGE_MAX: Duration = Duration::from_secs(600);

/// Counts failures by address. Who has shown a good token lately is let in with it whatever others do at the same address,
/// as behind a proxy.
pub(super) struct Failures {
    limit: AuthenticationFailures,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    windows: HashMap<IpAddr, Window>,
    good: HashMap<TokenHash, Instant>,
}

#[derive(Clone, Copy)]
struct Window {
    began: Instant,
    failures: u32,
}

/// Whoever has one address of IPv6 has a whole network of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let prefix = u128::from(address) & !u128::from(u64::MAX);
            Ipv6Addr::from(prefix).into()
        }
        address => address,
    }
}

impl Failures {
    pub(super) fn new(limit: AuthenticationFailures) -> Failures {
        Failures {
            limit,
            seen: Mutex::default(),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses a token from an address that has failed too often.
    pub(super) fn check(&self, address: Option<IpAddr>, token: &TokenHash) -> Result<(), Error> {
        let (Some(address), true) = (address, self.limit.max > 0) else {
            return Ok(());
        };
        let seen = self.seen();
        let Some(window) = seen.windows.get(&network(address)) else {
            return Ok(());
        };
        let left = self.limit.window.saturating_sub(window.began.elapsed());
        if left.is_zero() || window.failures < self.limit.max {
            return Ok(());
        }
        let is_good = seen.good.get(token);
        if is_good.is_some_and(|at| at.elapsed() < GOOD_TOKEN_AGE_MAX) {
            return Ok(());
        }
        let seconds = left.as_secs() + 1;
        let message = format!(
            "too many tokens that are none came from your address: try again in {seconds} s"
        );
        Err(Error::new(ErrorKind::TooManyRequests, message))
    }

    pub(super) fn note_failure(&self, address: Option<IpAddr>) {
        let (Some(address), true) = (address, self.limit.max > 0) else {
            return;
        };
        let mut seen = self.seen();
        let windows = &mut seen.windows;
        let network = network(address);
        if windows.len() >= ADDRESSES_MAX && !windows.contains_key(&network) {
            // With so many attackers at once nothing is gained by knowing each of them.
            windows.clear();
        }
        let now = Instant::now();
        let window = windows.entry(network).or_insert(Window {
            began: now,
            failures: 0,
        });
        if window.began.elapsed() >= self.limit.window {
            *window = Window {
                began: now,
                failures: 0,
            };
        }
        window.failures = window.failures.saturating_add(1);
    }

    pub(super) fn note_success(&self, token: TokenHash) {
        if self.limit.max == 0 {
            return;
        }
        let mut seen = self.seen();
        let good = &mut seen.good;
        if good.len() >= GOOD_TOKENS_MAX && !good.contains_key(&token) {
            // All at once, so that it costs little for each token. They come again.
            good.clear();
        }
        good.insert(token, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failures(max: u32) -> Failures {
        Failures::new(AuthenticationFailures {
            max,
            window: Duration::from_secs(600),
        })
    }

    #[test]
    fn an_address_that_fails_too_often_has_to_wait() {
        let failures = failures(3);
        let (good, bad) = ([1; 32], [2; 32]);
        let here: Option<IpAddr> = Some("192.0.2.1".parse().unwrap());
        let mapped = Some("::ffff:192.0.2.1".parse().unwrap());
        let there = Some("192.0.2.2".parse().unwrap());
        failures.note_success(good);
        for _ in 0..3 {
            assert!(failures.check(here, &bad).is_ok());
            failures.note_failure(here);
        }
        let refused = failures.check(here, &bad).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::TooManyRequests);
        assert!(failures.check(mapped, &bad).is_err());
        assert!(failures.check(there, &bad).is_ok());
        assert!(failures.check(here, &good).is_ok());
        assert!(failures.check(None, &bad).is_ok());
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let failures = failures(1);
        failures.note_failure(Some("2001:db8::1".parse().unwrap()));
        let same = Some("2001:db8::ffff:1".parse().unwrap());
        let other = Some("2001:db8:0:1::1".parse().unwrap());
        assert!(failures.check(same, &[0; 32]).is_err());
        assert!(failures.check(other, &[0; 32]).is_ok());
    }

    #[test]
    fn no_more_is_remembered_than_fits() {
        let failures = failures(1);
        for number in 0..20_000_u32 {
            let address = IpAddr::from(number.to_be_bytes());
            failures.note_failure(Some(address));
            let mut hash = [0; 32];
            hash[..4].copy_from_slice(&number.to_be_bytes());
            failures.note_success(hash);
        }
        let seen = failures.seen();
        assert!(seen.windows.len() <= ADDRESSES_MAX);
        assert!(seen.good.len() <= GOOD_TOKENS_MAX);
    }

    #[test]
    fn a_limit_of_zero_is_none() {
        let failures = failures(0);
        let here: Option<IpAddr> = Some("192.0.2.1".parse().unwrap());
        for _ in 0..1000 {
            failures.note_failure(here);
        }
        assert!(failures.check(here, &[0; 32]).is_ok());
    }
}

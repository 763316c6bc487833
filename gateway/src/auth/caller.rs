//! Who asks.

use std::net::IpAddr;

use crate::Error;
use crate::error::no_user;

/// Somebody who has shown a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    is_admin: bool,
    user: Option<CallingUser>,
    address: Option<IpAddr>,
}

/// The user whose credential was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CallingUser {
    pub(crate) id: String,
    pub(crate) name: String,
}

impl Caller {
    /// Who has the token of the administrator, which belongs to no user.
    pub(crate) fn administrator() -> Caller {
        Caller {
            is_admin: true,
            user: None,
            address: None,
        }
    }

    pub(crate) fn user(id: String, name: String, is_admin: bool) -> Caller {
        Caller {
            is_admin,
            user: Some(CallingUser { id, name }),
            address: None,
        }
    }

    pub(crate) fn at(mut self, address: Option<IpAddr>) -> Caller {
        self.address = address;
        self
    }

    /// Whether the caller may do everything.
    pub(crate) fn is_admin(&self) -> bool {
        self.is_admin
    }

    /// The id of the user, if there is one.
    pub(crate) fn user_id(&self) -> Option<&str> {
        self.user.as_ref().map(|user| user.id.as_str())
    }

    /// The user.
    ///
    /// # Errors
    /// There is none, since it is the administrator's token.
    pub(crate) fn calling_user(&self) -> Result<&CallingUser, Error> {
        self.user.as_ref().ok_or_else(no_user)
    }

    pub(crate) fn is_user(&self, id: &str) -> bool {
        self.user_id() == Some(id)
    }

    /// For the log of changes.
    pub(crate) fn shown(&self) -> String {
        let who = match &self.user {
            Some(user) => format!("user {} {}", user.name, user.id),
            None => "administrator".to_owned(),
        };
        match self.address {
            Some(address) => format!("{who} ({address})"),
            None => who,
        }
    }
}

//! Tokens of change groups: optimistic locks with names.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::{Error, Position};

/// Bytes in the name of a change group, at most.
pub const GROUP_NAME_BYTES_MAX: usize = 256;

/// A position and the names of change groups: what a client saw.
///
/// A commit that carries it fails with `Conflict` if any of the groups was committed to since, and otherwise counts as
/// a commit to all of them. It is small, can be sent through clients as text, and stays valid within its epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    pub(crate) epoch: u32,
    pub(crate) seq: u64,
    pub(crate) groups: Vec<String>,
}

impl Token {
    pub(crate) fn new(epoch: u32, position: Position, groups: Vec<String>) -> Result<Token, Error> {
        groups.iter().try_for_each(|name| check_group(name))?;
        Ok(Token {
            epoch,
            seq: position.seq,
            groups,
        })
    }

    /// The names of the change groups.
    pub fn groups(&self) -> &[String] {
        &self.groups
    }
}

/// Refuses a name that is empty or too long; any text otherwise is a name, and different texts are different groups.
pub(crate) fn check_group(name: &str) -> Result<(), Error> {
    if name.is_empty() || name.len() > GROUP_NAME_BYTES_MAX {
        let shown: String = name.chars().take(40).collect();
        return Err(Error::invalid(format!(
            "change group {shown:?} has {} bytes: 1 to {GROUP_NAME_BYTES_MAX} are accepted",
            name.len()
        )));
    }
    Ok(())
}

impl fmt::Display for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = serde_json::to_vec(self).map_err(|_| fmt::Error)?;
        formatter.write_str(&URL_SAFE_NO_PAD.encode(json))
    }
}

impl FromStr for Token {
    type Err = Error;

    fn from_str(text: &str) -> Result<Token, Error> {
        let invalid =
            || Error::invalid("the change-group token is not one that this store has given");
        let json = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|error| invalid().with_source(error))?;
        let token: Token =
            serde_json::from_slice(&json).map_err(|error| invalid().with_source(error))?;
        token.groups.iter().try_for_each(|name| check_group(name))?;
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_from_text_and_bad_ones_are_refused() {
        let groups = vec![
            "a/x".to_owned(),
            "b/x".to_owned(),
            "ü \"quoted\"".to_owned(),
        ];
        let token = Token::new(
            1,
            Position {
                seq: 7,
                ..Position::START
            },
            groups,
        )
        .unwrap();
        assert_eq!(token.to_string().parse::<Token>().unwrap(), token);
        assert!("".parse::<Token>().is_err());
        assert!("AAAA".parse::<Token>().is_err());
        assert!(Token::new(1, Position::START, vec!["x".repeat(257)]).is_err());
        assert!(Token::new(1, Position::START, vec![String::new()]).is_err());
    }
}

//! Values that are one of a few names.

use std::fmt;

/// A text that is none of the names that are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName {
    text: String,
    accepted: &'static [&'static str],
}

impl UnknownName {
    /// For what [`names!`](crate::names) makes.
    #[doc(hidden)]
    pub fn new(text: &str, accepted: &'static [&'static str]) -> UnknownName {
        UnknownName {
            text: text.to_owned(),
            accepted,
        }
    }
}

impl fmt::Display for UnknownName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.text.chars().take(64).collect();
        write!(
            formatter,
            "{shown:?} is none of {}",
            self.accepted.join(", ")
        )
    }
}

impl std::error::Error for UnknownName {}

/// Makes an enum of names: `as_str`, text forms, and JSON as a string. The empty name stands for "none": fields that may
/// lack a value are an `Option`, read with [`json::optional`](crate::api::json::optional) and left out if empty.
///
/// The crate that uses it needs `serde`, and `utoipa` with its feature `server`.
///
/// ```
/// service::names! {
///     /// Who can see an object.
///     Visibility {
///         /// Everybody.
///         Public = "public",
///         /// Members alone.
///         Private = "private",
///     }
/// }
/// assert_eq!(Visibility::Public.as_str(), "public");
/// assert!("open".parse::<Visibility>().is_err());
/// ```
#[macro_export]
macro_rules! names {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
        pub enum $name {
            $($(#[$variant_meta])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            const NAMES: &'static [&'static str] = &[$($text),+];

            /// The name as it stands in JSON.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $text,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::api::UnknownName;

            fn from_str(text: &str) -> Result<$name, $crate::api::UnknownName> {
                match text {
                    $($text => Ok($name::$variant),)+
                    _ => Err($crate::api::UnknownName::new(text, $name::NAMES)),
                }
            }
        }
    };
}

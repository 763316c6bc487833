//! Base64 as exports have it, with vector instructions where the processor has them.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use std::sync::LazyLock;

use base64::Engine;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use base64::engine::{Simd, general_purpose::PAD};

/// The standard alphabet, with padding.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) fn base64_engine() -> &'static impl Engine {
    static ENGINE: LazyLock<Simd> = LazyLock::new(|| Simd::standard(PAD));
    &*ENGINE
}

/// The standard alphabet, with padding.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) fn base64_engine() -> &'static impl Engine {
    &base64::engine::general_purpose::STANDARD
}

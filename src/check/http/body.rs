//! The body of a reply as it was meant: decoded, within a bound.

use brotli_decompressor::Decompressor;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use hyper::HeaderMap;
use hyper::header::CONTENT_ENCODING;
use std::borrow::Cow;
use std::io::{self, Read};

/// Encodings that are taken off one body.
const MAX_ENCODINGS: usize = 4;

/// The window that a brotli stream is read through, in bytes.
const BROTLI_BUFFER: usize = 4096;

/// A body, or as much of it as is read.
pub(super) struct Body<'r> {
    pub(super) bytes: Cow<'r, [u8]>,
    /// It goes on beyond the bound.
    pub(super) is_cut: bool,
}

/// Why a body cannot be decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Undecodable {
    /// Nobody here knows how: its encoding, or that there are too many.
    Unknown(String),
    /// It is not what its header says; its encoding.
    Broken(String),
}

/// The body that was received as `raw`, of which not more was read if `is_cut`.
/// At most `limit` bytes come of it.
pub(super) fn decode<'r>(
    headers: &HeaderMap,
    raw: &'r [u8],
    is_cut: bool,
    limit: usize,
) -> Result<Body<'r>, Undecodable> {
    let mut body = Body { bytes: Cow::Borrowed(raw), is_cut };
    let encodings = encodings(headers);
    if encodings.len() > MAX_ENCODINGS {
        return Err(Undecodable::Unknown(format!("more than {MAX_ENCODINGS} times")));
    }
    // The last one was put on last. The answer to a HEAD has no body at all.
    for encoding in encodings.iter().rev().filter(|_| !raw.is_empty()) {
        let (bytes, goes_on) = undo(encoding, &body.bytes, body.is_cut, limit)?;
        body = Body { bytes: Cow::Owned(bytes), is_cut: body.is_cut || goes_on };
    }
    Ok(body)
}

fn encodings(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(CONTENT_ENCODING).iter();
    let names = values.flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
    let names = names.map(|name| String::from_utf8_lossy(name).trim().to_ascii_lowercase());
    names.filter(|name| !matches!(name.as_str(), "" | "identity")).collect()
}

/// Takes one encoding off; whether what is below it goes on beyond `limit`.
fn undo(
    encoding: &str,
    bytes: &[u8],
    is_cut: bool,
    limit: usize,
) -> Result<(Vec<u8>, bool), Undecodable> {
    let read = match encoding {
        "gzip" | "x-gzip" => read(MultiGzDecoder::new(bytes), limit),
        // Some servers leave out the wrapper that the standard asks for.
        "deflate" if has_zlib_header(bytes) => read(ZlibDecoder::new(bytes), limit),
        "deflate" => read(DeflateDecoder::new(bytes), limit),
        "br" => read(Decompressor::new(bytes, BROTLI_BUFFER), limit),
        other => return Err(Undecodable::Unknown(format!("as {other}"))),
    };
    match read {
        (mut decoded, Ok(())) => {
            let goes_on = decoded.len() > limit;
            decoded.truncate(limit);
            Ok((decoded, goes_on))
        }
        // Its end is missing because nobody read it.
        (decoded, Err(_)) if is_cut => Ok((decoded, true)),
        (_, Err(_)) => Err(Undecodable::Broken(encoding.to_owned())),
    }
}

/// Reads one byte more than `limit` where there is one.
fn read(decoder: impl Read, limit: usize) -> (Vec<u8>, io::Result<()>) {
    let mut decoded = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let result = decoder.take(most).read_to_end(&mut decoded);
    (decoded, result.map(drop))
}

/// Whether a deflate stream has its wrapper (RFC 1950, section 2.2).
fn has_zlib_header(bytes: &[u8]) -> bool {
    matches!(bytes, [method, flags, ..]
        if method & 0x0f == 8 && (u16::from(*method) << 8 | u16::from(*flags)) % 31 == 0)
}

//! Length-prefixed JSON over any byte stream.

use super::wire::MAX_FRAME;
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::codec::{FramedRead, FramedWrite, LengthDelimitedCodec};

/// Reads frames; one over [`MAX_FRAME`] is an error.
pub(super) type FrameReader<R> = FramedRead<R, LengthDelimitedCodec>;

/// Writes frames; one over [`MAX_FRAME`] is an error.
pub(super) type FrameWriter<W> = FramedWrite<W, LengthDelimitedCodec>;

pub(super) fn reader<R: AsyncRead>(input: R) -> FrameReader<R> {
    FramedRead::new(input, codec())
}

pub(super) fn writer<W: AsyncWrite>(output: W) -> FrameWriter<W> {
    FramedWrite::new(output, codec())
}

fn codec() -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder().max_frame_length(MAX_FRAME).new_codec()
}

/// A message that no frame can hold.
#[derive(Debug)]
pub(super) struct TooLarge;

/// The bytes of one frame.
pub(super) fn encode(message: &impl Serialize) -> Result<Bytes, TooLarge> {
    match serde_json::to_vec(message) {
        Ok(frame) if frame.len() <= MAX_FRAME => Ok(frame.into()),
        _ => Err(TooLarge),
    }
}

/// The message in one frame.
pub(super) fn decode<T: DeserializeOwned>(frame: &[u8]) -> io::Result<T> {
    Ok(serde_json::from_slice(frame)?)
}

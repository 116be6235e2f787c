//! Bodies that come encoded, asked for or not.

use super::*;
use flate2::Compression;
use flate2::read::{DeflateEncoder, GzEncoder, ZlibEncoder};
use std::io::Read;

const TEXT: &str = "status: ready";

/// [`TEXT`], as `brotli` writes it.
const BROTLI: [u8; 15] = [27, 12, 0, 248, 165, 64, 116, 138, 144, 73, 106, 2, 82, 88, 0];

fn encoded(mut encoder: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    encoder.read_to_end(&mut bytes).unwrap();
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    encoded(GzEncoder::new(bytes, Compression::default()))
}

async fn sending(encoding: &str, body: Vec<u8>) -> (MockServer, HttpCheck) {
    let response =
        ResponseTemplate::new(200).insert_header("Content-Encoding", encoding).set_body_bytes(body);
    let (server, check) = answering(response).await;
    (server, HttpCheck { expected_body: Some(TEXT.to_owned()), ..check })
}

#[tokio::test]
async fn an_encoded_body_is_looked_at_as_it_was_meant() {
    let text = TEXT.as_bytes();
    for (encoding, body) in [
        ("identity", text.to_vec()),
        ("gzip", gzip(text)),
        ("X-GZip", gzip(text)),
        ("deflate", encoded(ZlibEncoder::new(text, Compression::default()))),
        ("deflate", encoded(DeflateEncoder::new(text, Compression::default()))),
        ("br", BROTLI.to_vec()),
        ("br, gzip", gzip(&BROTLI)),
    ] {
        let (_server, check) = sending(encoding, body).await;
        assert_eq!(looked(&check).await, Outcome::Pass, "{encoding}");
        let other = HttpCheck { expected_body: Some("starting".to_owned()), ..check };
        let outcome = looked(&other).await;
        let (kind, detail) = fault(&outcome);
        assert_eq!(kind, FaultKind::Body);
        assert!(detail.ends_with("; it said: status: ready"), "{encoding}: {detail}");
    }
}

#[tokio::test]
async fn a_body_that_becomes_too_much_is_unknown() {
    let bomb = gzip(&vec![b' '; 64 * 1024 * 1024]);
    let (_server, check) = sending("gzip", bomb).await;
    let outcome = looked(&check).await;
    assert!(
        matches!(&outcome, Outcome::Unknown(why) if why.contains("first 1 MiB")),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn what_nobody_here_can_decode_is_unknown_and_what_is_broken_is_a_failure() {
    let many = ["gzip"; 5].join(",");
    for (encoding, said) in [("zstd", "as zstd"), (many.as_str(), "more than 4 times")] {
        let (_server, check) = sending(encoding, b"(\xb5/\xfd".to_vec()).await;
        let outcome = looked(&check).await;
        assert!(matches!(&outcome, Outcome::Unknown(why) if why.contains(said)), "{outcome:?}");
        let any = HttpCheck { expected_body: None, ..check };
        assert_eq!(looked(&any).await, Outcome::Pass);
    }
    let mut half = gzip(TEXT.as_bytes());
    half.truncate(12);
    for broken in [half, TEXT.as_bytes().to_vec()] {
        let (_server, check) = sending("gzip", broken).await;
        let outcome = looked(&check).await;
        let (kind, detail) = fault(&outcome);
        assert_eq!(kind, FaultKind::Body);
        assert!(detail.contains("not valid gzip"), "{detail}");
    }
}

#[tokio::test]
async fn what_a_failing_service_says_is_decoded() {
    let response = ResponseTemplate::new(503)
        .insert_header("Content-Encoding", "gzip")
        .set_body_bytes(gzip(b"database is down"));
    let (_server, check) = answering(response).await;
    let outcome = looked(&check).await;
    assert!(fault(&outcome).1.ends_with("it said: database is down"), "{outcome:?}");
}

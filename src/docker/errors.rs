//! bollard's errors in the words of [`EngineError`].

use super::EngineError;
use bollard::errors::Error;
use std::error::Error as StdError;
use std::io;

/// An error that [`classify`] turns into [`EngineError::Forbidden`].
pub(super) fn forbidden(call: String) -> Error {
    Error::IOError { err: io::Error::other(EngineError::Forbidden(call)) }
}

/// What went wrong with a call.
pub(super) fn classify(error: Error) -> EngineError {
    match error {
        Error::DockerResponseServerError { status_code, message } => {
            answered(status_code, message.trim().to_owned())
        }
        Error::IOError { err } => match err.downcast::<EngineError>() {
            Ok(own) => own,
            Err(err) => EngineError::Gone(innermost(&err)),
        },
        Error::RequestTimeoutError => EngineError::Gone("no answer in time".to_owned()),
        // The rest is a connection that could not be made or was cut, or an
        // answer that makes no sense: there is no engine to speak with.
        other => EngineError::Gone(innermost(&other)),
    }
}

fn answered(status: u16, message: String) -> EngineError {
    match status {
        404 => EngineError::NotFound(message),
        409 => EngineError::Conflict(message),
        // The engine has none of these; a proxy in front of it has.
        502..=504 => EngineError::Gone(format!("its proxy answers {status}: {message}")),
        _ => EngineError::Refused { status, message },
    }
}

/// The deepest cause: "connection error" says nothing, what is below does.
fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(status_code: u16) -> Error {
        Error::DockerResponseServerError { status_code, message: "no such thing\n".into() }
    }

    #[test]
    fn answers_are_told_apart_by_status() {
        let words = || "no such thing".to_owned();
        assert_eq!(classify(server(404)), EngineError::NotFound(words()));
        assert_eq!(classify(server(409)), EngineError::Conflict(words()));
        assert!(matches!(classify(server(503)), EngineError::Gone(_)));
        assert_eq!(classify(server(500)), EngineError::Refused { status: 500, message: words() });
    }

    #[test]
    fn our_own_refusal_keeps_its_name() {
        assert_eq!(
            classify(forbidden("POST /containers/create".into())),
            EngineError::Forbidden("POST /containers/create".into())
        );
    }

    #[test]
    fn a_cut_connection_is_an_engine_that_is_gone() {
        let err = io::Error::from(io::ErrorKind::ConnectionReset);
        assert!(matches!(classify(Error::IOError { err }), EngineError::Gone(_)));
    }
}

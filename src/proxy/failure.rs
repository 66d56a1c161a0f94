//! What went wrong with a request, and the status it stands for.

use crate::door::MalformedBody;
use crate::model::RetryCondition;
use http::StatusCode;
use pingora_core::{Error, ErrorSource, ErrorType};
use pingora_proxy::Session;

/// Why Gapura answers itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// The upstream could not be reached, closed early, or sent nonsense.
    BadGateway,
    /// The upstream sent no HTTP.
    InvalidHeader,
    /// The upstream took too long.
    GatewayTimeout,
    /// A status that was decided on: a limit, an intercepted answer.
    Status(StatusCode),
    /// The client was gone: there is nobody to answer. nginx logs it as 499.
    ClientClosed,
}

impl Failure {
    /// A failed connect.
    pub(super) fn of_connect(error: &Error) -> Self {
        match error.etype() {
            ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout => Self::GatewayTimeout,
            _ => Self::BadGateway,
        }
    }

    /// A failure on a connection that stood.
    pub(super) fn of_exchange(error: &Error) -> Self {
        match error.etype() {
            ErrorType::ReadTimedout | ErrorType::WriteTimedout | ErrorType::ConnectTimedout => {
                Self::GatewayTimeout
            }
            ErrorType::InvalidHTTPHeader => Self::InvalidHeader,
            _ => Self::BadGateway,
        }
    }

    /// Any error that reaches the end of the request.
    pub(super) fn of(error: &Error) -> Self {
        match (error.etype(), error.esource()) {
            (ErrorType::HTTPStatus(code), _) => Self::Status(
                StatusCode::from_u16(*code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            ),
            _ if MalformedBody::caused(error) => Self::Status(StatusCode::BAD_REQUEST),
            (_, ErrorSource::Upstream) => Self::of_exchange(error),
            (ErrorType::ReadTimedout, ErrorSource::Downstream) => {
                Self::Status(StatusCode::REQUEST_TIMEOUT)
            }
            (ErrorType::InvalidHTTPHeader, ErrorSource::Downstream) => {
                Self::Status(StatusCode::BAD_REQUEST)
            }
            (_, ErrorSource::Downstream) => Self::ClientClosed,
            _ => Self::Status(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    /// The status of the answer, or of the log line when there is no answer.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::BadGateway | Self::InvalidHeader => StatusCode::BAD_GATEWAY,
            Self::GatewayTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Status(status) => status,
            Self::ClientClosed => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
        }
    }

    /// The word of `proxy_next_upstream` it falls under.
    pub(super) fn condition(self) -> RetryCondition {
        match self {
            Self::GatewayTimeout => RetryCondition::Timeout,
            Self::InvalidHeader => RetryCondition::InvalidHeader,
            Self::Status(status) => RetryCondition::Http(status.as_u16()),
            Self::BadGateway | Self::ClientClosed => RetryCondition::Error,
        }
    }
}

/// Whether something of a final answer has gone to the client. A 101 is final: a tunnel follows.
pub(super) fn has_begun(session: &Session) -> bool {
    session.response_written().is_some_and(|answer| {
        !answer.status.is_informational() || answer.status == StatusCode::SWITCHING_PROTOCOLS
    })
}

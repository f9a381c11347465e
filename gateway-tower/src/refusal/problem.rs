//! The problems of RFC 9457 that this gateway has. Each is told apart by its `code`; none says
//! more than the caller knows already.

use http::StatusCode;

/// A status and the body that goes with it.
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) body: &'static str,
}

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident = $constant:ident $status:literal $title:literal, $code:literal, $detail:literal;)+) => {$(
        $(#[$doc])*
        pub(super) const $name: Problem = Problem {
            status: StatusCode::$constant,
            code: $code,
            body: concat!(
                r#"{"type":"about:blank","title":""#, $title, r#"","status":"#, $status,
                r#","detail":""#, $detail, r#"","code":""#, $code, r#""}"#,
            ),
        };
    )+};
}

problems! {
    AMBIGUOUS_PATH = BAD_REQUEST 400 "Bad Request", "ambiguous_path",
        "servers may read this path in different ways";
    NOT_CANONICAL = BAD_REQUEST 400 "Bad Request", "path_not_canonical",
        "the path encodes what may stand for itself, or encodes in lower case";
    PRODUCT_NAME = BAD_REQUEST 400 "Bad Request", "invalid_product",
        "a product's name has 1 to 64 letters, digits, - and _";
    HOST = BAD_REQUEST 400 "Bad Request", "ambiguous_host",
        "the request names more than one host, or a user";
    TOO_LONG = URI_TOO_LONG 414 "URI Too Long", "target_too_long",
        "path and query have at most 8192 bytes";
    BODY_TOO_LONG = PAYLOAD_TOO_LARGE 413 "Content Too Large", "body_too_long",
        "the body of the request is too long";
    NO_KEY = UNAUTHORIZED 401 "Unauthorized", "no_key",
        "send an API key as Authorization: Bearer or as X-API-Key";
    SEVERAL_KEYS = UNAUTHORIZED 401 "Unauthorized", "several_keys",
        "send one API key only";
    INVALID_KEY = UNAUTHORIZED 401 "Unauthorized", "invalid_key",
        "the API key is not valid";
    PAYMENT_REQUIRED = PAYMENT_REQUIRED 402 "Payment Required", "payment_required",
        "payment is due";
    /// The same whether or not there is such a product, so that nobody finds out which there are.
    NO_SUBSCRIPTION = FORBIDDEN 403 "Forbidden", "no_subscription",
        "the API key opens no product of this name";
    NOT_COVERED = FORBIDDEN 403 "Forbidden", "not_covered",
        "the plan does not cover this operation";
    NOT_APPROVED = FORBIDDEN 403 "Forbidden", "not_approved",
        "the subscription has not been approved";
    BLOCKED = FORBIDDEN 403 "Forbidden", "blocked",
        "the subscription has been blocked";
    ENDED = FORBIDDEN 403 "Forbidden", "subscription_ended",
        "the subscription has ended";
    NOT_SERVED = NOT_FOUND 404 "Not Found", "not_served",
        "the product is no longer served";
    NO_SUCH_RESOURCE = NOT_FOUND 404 "Not Found", "no_such_resource",
        "the product has no such operation";
    PANICKED = INTERNAL_SERVER_ERROR 500 "Internal Server Error", "internal_error",
        "the call failed within the gateway";
    UNREACHABLE = BAD_GATEWAY 502 "Bad Gateway", "no_answer",
        "the service behind the gateway gave no answer";
    BUSY = SERVICE_UNAVAILABLE 503 "Service Unavailable", "busy",
        "the call cannot be decided or recorded at the moment and was not made";
    NOT_RECORDED = SERVICE_UNAVAILABLE 503 "Service Unavailable", "not_recorded",
        "the call was made but could not be recorded";
}

/// The beginning of a problem that names limits; what is left to add are their names, and `]}`. Its
/// type is the one the IETF draft has for quotas.
pub(super) const QUOTA_EXCEEDED: &str = concat!(
    r#"{"type":"https://iana.org/assignments/http-problem-types#quota-exceeded","#,
    r#""title":"Request cannot be satisfied as assigned quota has been exceeded","status":429,"#,
    r#""detail":"a quota of the plan is used up","code":"quota_exceeded","violated-policies":["#,
);
/// Likewise for rates, for which the draft has no type: waiting a moment helps.
pub(super) const RATE_EXCEEDED: &str = concat!(
    r#"{"type":"about:blank","title":"Too Many Requests","status":429,"#,
    r#""detail":"calls come faster than the plan allows","code":"rate_exceeded","#,
    r#""violated-policies":["#,
);

// SPDX-License-Identifier: Apache-2.0

internal import CCurl

/// Why load cannot be generated, as a sentence that says what to change.
package struct LoadError: Error, Equatable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

/// How a transfer ended.
struct CurlCode: Equatable {
    let code: CURLcode

    var isOK: Bool { code == CURLE_OK }

    /// libcurl's own sentence.
    var text: String { String(cString: curl_easy_strerror(code)) }

    /// The kind of failure that a report counts.
    var failureKind: String {
        switch code {
        case CURLE_COULDNT_CONNECT, CURLE_COULDNT_RESOLVE_HOST: "not reachable"
        case CURLE_OPERATION_TIMEDOUT: "timeout"
        case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CONNECT_ERROR, CURLE_SSL_CACERT_BADFILE:
            "TLS"
        default: "connection lost"
        }
    }
}

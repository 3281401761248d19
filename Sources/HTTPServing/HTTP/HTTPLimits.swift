// SPDX-License-Identifier: Apache-2.0

/// The bounds of an HTTP server; what happens at each is said at the field.
package nonisolated struct HTTPLimits: Sendable, Equatable {
    /// Open connections. One more is answered 503 and closed, after the longest idle one was
    /// closed to make room if there was any.
    package var maxConnections = 1024
    /// Bytes of a request line and its headers, at most 65,536. More is answered 431.
    package var headerBytes = 16 * 1024
    /// Header fields of a request. More is answered 431.
    package var headerCount = 100
    /// Bytes of a request target. More is answered 414.
    package var targetBytes = 8 * 1024
    /// Bytes of a request body. More is answered 413, before it is read if its length is declared.
    package var bodyBytes = 1024 * 1024
    /// Bytes of further requests kept while one is answered. At the bound the connection is not
    /// read, so that a client which leaves is noticed only when something is written to it.
    package var pipelinedBytes = 64 * 1024
    /// Bytes of a stream that wait for the client. More ends the stream and the connection.
    package var writeBufferBytes = 256 * 1024
    /// How long a connection may rest between requests. Then it is closed.
    package var idleTimeout = Duration.seconds(75)
    /// From the first byte of a request (from the connection's start for the first one) to the end
    /// of its headers. Then it is answered 408.
    package var headerTimeout = Duration.seconds(10)
    /// From the end of the headers to the end of the body. Then it is answered 408.
    package var bodyTimeout = Duration.seconds(60)
    /// How long bytes may wait for a client that takes none of them. Then it is closed.
    package var writeStallTimeout = Duration.seconds(30)
    /// How long input is thrown away after the last response, so that the client can read it.
    package var lingerTimeout = Duration.seconds(2)

    package init() {}
}

extension Duration {
    /// Whole nanoseconds; nothing for a negative duration, centuries for one beyond `UInt64`.
    nonisolated var clampedNanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        let (product, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow, product < UInt64.max / 4 else { return UInt64.max / 4 }
        return product + UInt64(attoseconds / 1_000_000_000)
    }
}

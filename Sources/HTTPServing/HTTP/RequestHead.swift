// SPDX-License-Identifier: Apache-2.0

/// What a request line and its headers say, checked.
nonisolated struct RequestHead: Equatable {
    /// How the end of the body is found.
    enum BodyLength: Equatable {
        case none
        case bytes(Int)
        case chunked
    }

    /// The request with an empty body.
    var request: HTTPRequest
    var isHTTP10: Bool
    /// Whether the client wants to send another request on the connection.
    var keepsAlive: Bool
    /// Whether the client waits for a `100 Continue` before it sends the body.
    var expectsContinue: Bool
    var bodyLength: BodyLength

    /// Reads a whole head, as ``HeadScanner`` delimits it.
    init(_ bytes: UnsafeBufferPointer<UInt8>) throws(HTTPFault) {
        let parsed = try HeadParser.parse(bytes)
        let headers = try Self.headers(of: parsed, in: bytes)
        isHTTP10 = try Self.isHTTP10(parsed)
        keepsAlive = parsed.keepsAlive
        guard parsed.method != "CONNECT" else {
            throw HTTPFault(501, "the method CONNECT is not supported")
        }
        let target = try RequestTarget(
            UnsafeBufferPointer(rebasing: bytes[parsed.target]), method: parsed.method)
        let hosts = headers.values("host").count
        guard hosts == 1 || (isHTTP10 && hosts == 0) else {
            throw .badRequest("the request must have one Host header")
        }
        bodyLength = try Self.bodyLength(headers, parsed, isHTTP10: isHTTP10)
        expectsContinue = try Self.expectsContinue(headers, isHTTP10: isHTTP10)
        request = HTTPRequest(
            method: parsed.method, path: target.path, query: target.query, headers: headers)
    }

    private static func headers(
        of parsed: HeadParser.Parsed, in bytes: UnsafeBufferPointer<UInt8>
    ) throws(HTTPFault) -> HTTPHeaders {
        var headers = HTTPHeaders()
        headers.reserveCapacity(parsed.fields.count)
        for field in parsed.fields {
            let name = bytes[field.name]
            let value = bytes[field.value].trimmingBlanks
            headers.append(
                parsedName: String(unsafeUninitializedCapacity: name.count) { room in
                    for (offset, byte) in name.enumerated() { room[offset] = byte.lowercasedASCII }
                    return name.count
                },
                value: String(decoding: value, as: UTF8.self))
        }
        return headers
    }

    private static func isHTTP10(_ parsed: HeadParser.Parsed) throws(HTTPFault) -> Bool {
        switch parsed.version {
        case (1, let minor): return minor == 0
        case (0, _): throw .badRequest("the request line does not end with an HTTP version")
        case (let major, let minor):
            throw HTTPFault(505, "HTTP/\(major).\(minor) is not supported; use HTTP/1.1")
        }
    }

    private static func bodyLength(
        _ headers: HTTPHeaders, _ parsed: HeadParser.Parsed, isHTTP10: Bool
    ) throws(HTTPFault) -> BodyLength {
        let encodings = headers.values("transfer-encoding")
        let lengths = headers.values("content-length")
        guard encodings.isEmpty || lengths.isEmpty else {
            throw .badRequest("the request has both Content-Length and Transfer-Encoding")
        }
        guard lengths.count <= 1 else {
            throw .badRequest("the request has more than one Content-Length")
        }
        if let encoding = encodings.first {
            guard encodings.count == 1, encoding.lowercased() == "chunked" else {
                throw HTTPFault(501, "the only Transfer-Encoding that is supported is chunked")
            }
            guard !isHTTP10 else {
                throw .badRequest("HTTP/1.0 has no Transfer-Encoding")
            }
            return .chunked
        }
        guard !lengths.isEmpty else { return .none }
        guard let count = Int(exactly: parsed.contentLength) else {
            throw HTTPFault(413, "the body is too large")
        }
        return count == 0 ? .none : .bytes(count)
    }

    private static func expectsContinue(
        _ headers: HTTPHeaders, isHTTP10: Bool
    ) throws(HTTPFault) -> Bool {
        // A server must ignore the expectation of an HTTP/1.0 client (RFC 9110 §10.1.1).
        guard !isHTTP10, let expectation = headers["expect"] else { return false }
        guard expectation.lowercased() == "100-continue" else {
            throw HTTPFault(417, "the only expectation that is supported is 100-continue")
        }
        return true
    }
}

extension Slice<UnsafeBufferPointer<UInt8>> {
    nonisolated fileprivate var trimmingBlanks: Self {
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
        guard let first = firstIndex(where: { !isBlank($0) }),
            let last = lastIndex(where: { !isBlank($0) })
        else { return self[endIndex...] }
        return self[first...last]
    }
}

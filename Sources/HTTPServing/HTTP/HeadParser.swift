// SPDX-License-Identifier: Apache-2.0
import CHTTPParser

/// libhttp-parser, applied to one whole request head at a time.
///
/// The library reads the request line, splits the fields and judges `Connection` and
/// `Content-Length`. It never sees a body: see ``ChunkedDecoder``.
nonisolated enum HeadParser {
    struct Parsed {
        var method = ""
        var version: (major: Int, minor: Int) = (0, 0)
        var keepsAlive = false
        /// As declared; without meaning when no Content-Length is there.
        var contentLength: UInt64 = 0
        var target = 0..<0
        var fields: [(name: Range<Int>, value: Range<Int>)] = []
    }

    /// What the callbacks gather. Ranges count from `base`, the start of the head.
    private struct Gathering {
        let base: UnsafePointer<CChar>
        var parsed = Parsed()
        var isComplete = false

        func range(_ start: UnsafePointer<CChar>?, _ count: Int) -> Range<Int> {
            guard let start else { return 0..<0 }
            let offset = start - base
            return offset..<offset + count
        }
    }

    static func parse(_ bytes: UnsafeBufferPointer<UInt8>) throws(HTTPFault) -> Parsed {
        guard let base = bytes.baseAddress else { throw .badRequest("the request is empty") }
        return try base.withMemoryRebound(to: CChar.self, capacity: bytes.count) {
            (text) throws(HTTPFault) in
            var gathering = Gathering(base: text)
            var parser = http_parser()
            http_parser_init(&parser, HTTP_REQUEST)
            withUnsafeMutablePointer(to: &gathering) { pointer in
                parser.data = UnsafeMutableRawPointer(pointer)
                var callbacks = Self.callbacks
                _ = http_parser_execute(&parser, &callbacks, text, bytes.count)
                parser.data = nil
            }
            let code = http_errno(parser.http_errno)
            guard code == HPE_OK, gathering.isComplete else { throw fault(code) }
            return gathering.parsed
        }
    }

    private static func fault(_ code: http_errno) -> HTTPFault {
        guard code != HPE_OK, let text = http_errno_description(code) else {
            return .badRequest("the request is malformed")
        }
        return .badRequest("the request is malformed: \(String(cString: text))")
    }

    private static var callbacks: http_parser_settings {
        var callbacks = http_parser_settings()
        callbacks.on_url = { parser, start, count in
            HeadParser.gather(parser) { $0.parsed.target = $0.range(start, count) }
        }
        callbacks.on_header_field = { parser, start, count in
            HeadParser.gather(parser) { $0.parsed.fields.append(($0.range(start, count), 0..<0)) }
        }
        callbacks.on_header_value = { parser, start, count in
            HeadParser.gather(parser) { gathering in
                let last = gathering.parsed.fields.count - 1
                guard last >= 0 else { return }
                gathering.parsed.fields[last].value = gathering.range(start, count)
            }
        }
        callbacks.on_headers_complete = { parser in
            guard let parser else { return 1 }
            return HeadParser.gather(parser) { gathering in
                let raw = parser.pointee
                gathering.parsed.version = (Int(raw.http_major), Int(raw.http_minor))
                gathering.parsed.contentLength = raw.content_length
                gathering.parsed.keepsAlive = http_should_keep_alive(parser) != 0
                if let name = http_method_str(http_method(raw.method)) {
                    gathering.parsed.method = String(cString: name)
                }
                gathering.isComplete = true
            }
        }
        return callbacks
    }

    private static func gather(
        _ parser: UnsafeMutablePointer<http_parser>?, _ body: (inout Gathering) -> Void
    ) -> Int32 {
        guard let gathering = parser?.pointee.data else { return 1 }
        body(&gathering.assumingMemoryBound(to: Gathering.self).pointee)
        return 0
    }
}

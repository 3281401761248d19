// SPDX-License-Identifier: Apache-2.0

internal import CCurl
internal import Glibc

/// One HTTP exchange at a time over libcurl; used again and again, by one thread.
final class Transfer {
    /// A request, ready to be sent.
    struct Request {
        var path: String
        /// Sent as JSON with POST; nil asks with GET.
        var body: [UInt8]?
        var connectTimeout: Duration = .seconds(10)
    }

    let easy: UnsafeMutableRawPointer
    private var headers: UnsafeMutablePointer<curl_slist>?
    /// Gets the bytes of the body with the status; false ends the transfer.
    private var onBytes: (UnsafeRawBufferPointer, Int) -> Bool = { _, _ in true }

    /// What the process needs once.
    private static let isReady: Bool = {
        // OpenSSL writes without MSG_NOSIGNAL.
        signal(SIGPIPE, SIG_IGN)
        return curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK
    }()

    init() throws(LoadError) {
        guard Self.isReady, let easy = curl_easy_init() else {
            throw LoadError("libcurl does not start: is there memory left?")
        }
        self.easy = easy
    }

    deinit {
        curl_easy_cleanup(easy)
        curl_slist_free_all(headers)
    }

    /// The HTTP status; 0 before there is one.
    var status: Int {
        var status = 0
        shim_easy_get_long(easy, CURLINFO_RESPONSE_CODE, &status)
        return status
    }

    /// Makes the exchange ready; whatever it was used for before is forgotten.
    func prepare(
        _ request: Request, to endpoint: Endpoint,
        onBytes: @escaping (UnsafeRawBufferPointer, Int) -> Bool
    ) {
        curl_easy_reset(easy)
        self.onBytes = onBytes
        shim_easy_set_text(easy, CURLOPT_URL, endpoint.address + request.path)
        // What a proxy adds would be measured as if the server had taken it.
        shim_easy_set_text(easy, CURLOPT_PROXY, "")
        shim_easy_set_long(easy, CURLOPT_NOSIGNAL, 1)
        shim_easy_set_text(easy, CURLOPT_PROTOCOLS_STR, "http,https")
        shim_easy_set_long(easy, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        shim_easy_set_long(easy, CURLOPT_TIMEOUT_MS, endpoint.timeout.milliseconds)
        shim_easy_set_long(
            easy, CURLOPT_CONNECTTIMEOUT_MS, request.connectTimeout.milliseconds)
        if let authorities = endpoint.authorities {
            shim_easy_set_text(easy, CURLOPT_CAINFO, authorities)
        }
        set(body: request.body, apiKey: endpoint.apiKey)
        let context = Unmanaged.passUnretained(self).toOpaque()
        shim_easy_set_write(
            easy,
            { bytes, _, count, context in
                guard let bytes, let context else { return count }
                let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
                let buffer = UnsafeRawBufferPointer(start: bytes, count: count)
                return transfer.onBytes(buffer, transfer.status) ? count : count + 1
            }, context)
    }

    private func set(body: [UInt8]?, apiKey: String?) {
        curl_slist_free_all(headers)
        headers = nil
        var lines: [String] = []
        if let apiKey { lines.append("Authorization: Bearer \(apiKey)") }
        if let body {
            // A body over a megabyte would wait for 100 Continue otherwise.
            lines += ["Content-Type: application/json", "Expect:"]
            shim_easy_set_long(easy, CURLOPT_POST, 1)
            shim_easy_set_size(easy, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(body.count))
            body.withUnsafeBytes { bytes in
                _ = shim_easy_set_pointer(
                    easy, CURLOPT_COPYPOSTFIELDS,
                    UnsafeMutableRawPointer(mutating: bytes.baseAddress))
            }
        }
        for line in lines { headers = curl_slist_append(headers, line) }
        shim_easy_set_pointer(easy, CURLOPT_HTTPHEADER, headers)
    }

    /// Forgets whom it tells.
    func release() { onBytes = { _, _ in true } }

    /// Sends what was prepared, and waits for the whole reply.
    func perform() -> CurlCode { CurlCode(code: curl_easy_perform(easy)) }
}

extension Duration {
    /// Rounded up, for C.
    fileprivate var milliseconds: Int {
        let (seconds, attoseconds) = components
        return Int(clamping: seconds) * 1000
            + Int((attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
}

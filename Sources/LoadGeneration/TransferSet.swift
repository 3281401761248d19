// SPDX-License-Identifier: Apache-2.0

internal import CCurl
internal import Glibc

/// Many transfers at once on one thread: libcurl's multi interface.
final class TransferSet {
    private let multi: UnsafeMutableRawPointer
    /// Readable at the time that ``wait(for:beside:)`` was told.
    private let timer: Int32
    private var open: [UnsafeMutableRawPointer: Transfer] = [:]
    private var idle: [Transfer] = []

    /// For up to `room` transfers at once.
    init(room: Int) throws(LoadError) {
        try Self.allowDescriptors(room + Self.otherDescriptors)
        // The first transfer starts the library.
        idle = [try Transfer()]
        guard let multi = curl_multi_init() else {
            throw LoadError("libcurl does not start: is there memory left?")
        }
        self.multi = multi
        timer = shim_timer_descriptor()
        guard timer >= 0 else {
            curl_multi_cleanup(multi)
            throw LoadError("no timer: \(String(cString: strerror(errno)))")
        }
    }

    deinit {
        for transfer in open.values { curl_multi_remove_handle(multi, transfer.easy) }
        curl_multi_cleanup(multi)
        close(timer)
    }

    var openCount: Int { open.count }

    /// What the process may have open beside its transfers.
    private static let otherDescriptors = 64

    /// Raises the soft limit of the process, which is often 1024.
    private static func allowDescriptors(_ count: Int) throws(LoadError) {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        let count = rlim_t(count)
        if limit.rlim_cur >= count { return }
        guard limit.rlim_max >= count else {
            throw LoadError(
                "so many requests at once need \(count) open files and the system allows "
                    + "\(limit.rlim_max): lower --max-open, or raise it with ulimit -n")
        }
        limit.rlim_cur = count
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }

    /// Starts a transfer, which the next ``perform()`` sends.
    func start(
        _ request: Transfer.Request, to endpoint: Endpoint,
        onBytes: @escaping (UnsafeRawBufferPointer, Int) -> Bool
    ) throws(LoadError) -> UnsafeMutableRawPointer {
        let transfer = if let idle = idle.popLast() { idle } else { try Transfer() }
        transfer.prepare(request, to: endpoint, onBytes: onBytes)
        let code = curl_multi_add_handle(multi, transfer.easy)
        guard code == CURLM_OK else {
            throw LoadError(
                "libcurl takes no request: \(String(cString: curl_multi_strerror(code)))")
        }
        open[transfer.easy] = transfer
        return transfer.easy
    }

    /// Sends and receives what can be without waiting, and tells which transfers have ended.
    func perform(_ onEnd: (UnsafeMutableRawPointer, CurlCode, _ status: Int) -> Void) {
        var running: Int32 = 0
        curl_multi_perform(multi, &running)
        var left: Int32 = 0
        while let message = curl_multi_info_read(multi, &left) {
            guard message.pointee.msg == CURLMSG_DONE, let easy = message.pointee.easy_handle,
                let transfer = open.removeValue(forKey: easy)
            else { continue }
            // The message is gone with its handle.
            let code = CurlCode(code: shim_message_result(message))
            let status = transfer.status
            curl_multi_remove_handle(multi, easy)
            transfer.release()
            idle.append(transfer)
            onEnd(easy, code, status)
        }
    }

    /// Waits until a transfer can go on, `descriptor` is readable, or `time` has passed.
    ///
    /// The library counts in milliseconds, rounded down; arrivals are closer together than that.
    func wait(for time: Duration?, beside descriptor: Int32?) {
        var descriptors: [curl_waitfd] = []
        if let descriptor {
            descriptors.append(
                curl_waitfd(fd: descriptor, events: Int16(CURL_WAIT_POLLIN), revents: 0))
        }
        if let time {
            let (seconds, attoseconds) = time.components
            let nanoseconds = seconds * 1_000_000_000 + attoseconds / 1_000_000_000
            guard nanoseconds > 0, shim_timer_start(timer, nanoseconds) == 0 else { return }
            descriptors.append(curl_waitfd(fd: timer, events: Int16(CURL_WAIT_POLLIN), revents: 0))
        }
        curl_multi_poll(multi, &descriptors, UInt32(descriptors.count), 1000, nil)
        var expirations: UInt64 = 0
        if time != nil { _ = read(timer, &expirations, 8) }
    }
}

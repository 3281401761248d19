// SPDX-License-Identifier: Apache-2.0
import CLibuv

/// A result code of libuv: negative for an error, as in `uv_errno_t`.
///
/// Internal, so that callers of this module see ``LoopError`` and never a C code.
nonisolated struct UVStatus: RawRepresentable, Equatable {
    let rawValue: Int32

    static let endOfFile = UVStatus(UV_EOF)
    static let addressInUse = UVStatus(UV_EADDRINUSE)
    static let addressNotAvailable = UVStatus(UV_EADDRNOTAVAIL)
    static let permissionDenied = UVStatus(UV_EACCES)
    static let tryAgain = UVStatus(UV_EAGAIN)
    static let cancelled = UVStatus(UV_ECANCELED)
    static let tooManyFilesInProcess = UVStatus(UV_EMFILE)
    static let tooManyFilesInSystem = UVStatus(UV_ENFILE)
    static let noBuffers = UVStatus(UV_ENOBUFS)
    static let connectionReset = UVStatus(UV_ECONNRESET)
    static let brokenPipe = UVStatus(UV_EPIPE)
    static let timedOut = UVStatus(UV_ETIMEDOUT)
    static let noMemory = UVStatus(UV_ENOMEM)
    static let interrupted = UVStatus(UV_EINTR)

    init(rawValue: Int32) { self.rawValue = rawValue }

    private init(_ code: uv_errno_t) { self.rawValue = code.rawValue }

    /// The status for a value of `errno`.
    init(errno code: Int32) { self.rawValue = uv_translate_sys_error(code) }

    var isError: Bool { rawValue < 0 }

    /// The symbolic name and the system's sentence, as in `EADDRINUSE: address already in use`.
    var explanation: String {
        guard isError, let name = uv_err_name(rawValue), let text = uv_strerror(rawValue) else {
            return "no error"
        }
        return "\(String(cString: name)): \(String(cString: text))"
    }
}

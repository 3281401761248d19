// SPDX-License-Identifier: Apache-2.0

/// What went wrong in an operation of the event loop, with the input that it was about.
package nonisolated struct LoopError: Error, Equatable, CustomStringConvertible {
    package enum Code: Sendable, CaseIterable {
        /// The text is not a numeric address, or the port is out of range.
        case invalidAddress
        /// Another socket listens there.
        case addressInUse
        /// No interface of this machine has that address.
        case addressNotAvailable
        /// The process may not do this, as with ports below 1024.
        case permissionDenied
        /// The process or the system has no descriptor, buffer or memory left.
        case outOfResources
        /// The other side reset or left the connection.
        case connectionLost
        /// The loop was closed while handles were still open.
        case handlesLeaked
        /// Any other failure of the system; the message names it.
        case system
    }

    package let code: Code
    /// What failed, on which input, why, and what to change when that is known.
    package let message: String

    package var description: String { message }

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// An error for `status`, met while doing `action` ("listen on 127.0.0.1:80").
    init(_ status: UVStatus, during action: String) {
        let (code, advice) = Self.classify(status)
        self.code = code
        self.message = "cannot \(action): \(status.explanation)" + advice
    }

    private static func classify(_ status: UVStatus) -> (Code, advice: String) {
        switch status {
        case .addressInUse:
            (.addressInUse, "; stop the other server or choose another port")
        case .addressNotAvailable:
            (.addressNotAvailable, "; use an address of this machine, or 0.0.0.0 for all of them")
        case .permissionDenied:
            (.permissionDenied, "; use a port from 1024 up or grant the permission")
        case .tooManyFilesInProcess, .tooManyFilesInSystem:
            (.outOfResources, "; raise the limit of open files (ulimit -n)")
        case .noBuffers, .noMemory:
            (.outOfResources, "")
        case .endOfFile, .connectionReset, .brokenPipe, .timedOut, .cancelled:
            (.connectionLost, "")
        default:
            (.system, "")
        }
    }
}

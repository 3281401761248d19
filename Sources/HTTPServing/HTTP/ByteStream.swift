// SPDX-License-Identifier: Apache-2.0
internal import LoopIO

/// What an HTTP connection needs of its stream: a socket of the loop, or TLS over one.
protocol ByteStream: AnyObject {
    var peer: String { get }
    var onBytes: ((Span<UInt8>) -> Void)? { get set }
    var onEnd: (() -> Void)? { get set }
    var onDrained: (() -> Void)? { get set }
    var onClose: ((LoopError?) -> Void)? { get set }
    /// Bytes that were written but not yet taken by the system.
    var bufferedBytes: Int { get }
    func startReading()
    func stopReading()
    func write(_ bytes: [UInt8])
    /// Sends no more after what is buffered.
    func shutdown()
    func close()
}

extension LoopStream: ByteStream {}

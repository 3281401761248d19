// SPDX-License-Identifier: Apache-2.0
import CLibuv

/// Calls back on the loop when a descriptor that somebody else owns can be read.
package final class DescriptorWatcher: LoopHandle {
    private var onReadable: (() -> Void)?

    /// Watches until ``close()``; the descriptor must stay open until then.
    package init(
        loop: EventLoop, descriptor: Int32, onReadable: @escaping () -> Void
    ) throws(LoopError) {
        try super.init(uv_poll_t.self, action: "watch a descriptor") { raw in
            uv_poll_init(loop.raw, raw, descriptor)
        }
        self.onReadable = onReadable
        uv_poll_start(pointer(to: uv_poll_t.self), Int32(UV_READABLE.rawValue)) { raw, _, _ in
            LoopHandle.owner(of: raw, as: DescriptorWatcher.self)?.onReadable?()
        }
        unreference()
    }

    override func willClose() { onReadable = nil }
}

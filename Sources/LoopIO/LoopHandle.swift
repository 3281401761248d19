// SPDX-License-Identifier: Apache-2.0
import CLibuv

/// The owner of one libuv handle: its memory, and the reference that keeps the owner alive while
/// libuv may still call back.
///
/// A handle is kept alive by the loop from its creation until ``close()`` has run its course, not
/// by whoever holds a reference. So each handle must be closed, and forgetting one is a leak that
/// ``EventLoop/close()`` reports. All members are for the loop thread only.
package class LoopHandle {
    /// The C handle; valid until `didClose()` returns.
    let memory: UnsafeMutableRawPointer

    /// False from the moment that ``close()`` was called.
    package private(set) var isOpen = true

    /// Allocates room for a `Raw` handle; `initialize` must call the `uv_…_init` of its kind.
    ///
    /// - Throws: ``LoopError`` with `action` in its message; the memory is given back.
    init<Raw>(
        _ type: Raw.Type, action: String, initialize: (UnsafeMutablePointer<Raw>) -> Int32
    ) throws(LoopError) {
        let raw = UnsafeMutablePointer<Raw>.allocate(capacity: 1)
        let status = UVStatus(rawValue: initialize(raw))
        memory = UnsafeMutableRawPointer(raw)
        guard !status.isError else {
            raw.deallocate()
            throw LoopError(status, during: action)
        }
        pointer(to: uv_handle_t.self).pointee.data = Unmanaged.passRetained(self).toOpaque()
    }

    /// The C handle under one of the types that it starts with, such as `uv_stream_t`.
    func pointer<Raw>(to type: Raw.Type) -> UnsafeMutablePointer<Raw> {
        memory.assumingMemoryBound(to: Raw.self)
    }

    /// Closes the handle; nothing is called back afterwards but the notice of the close itself.
    ///
    /// Closing twice is allowed and does nothing the second time.
    package func close() {
        guard isOpen else { return }
        isOpen = false
        willClose()
        uv_close(pointer(to: uv_handle_t.self)) { raw in
            guard let raw, let data = raw.pointee.data else { return }
            let owner = Unmanaged<LoopHandle>.fromOpaque(data).takeRetainedValue()
            owner.didClose()
            owner.memory.deallocate()
        }
    }

    /// Called at the start of the first `close()`, while the handle still works.
    func willClose() {}

    /// Called on a later turn, when libuv has let go of the handle.
    func didClose() {}

    /// Lets the loop end even though this handle is active.
    package func unreference() { uv_unref(pointer(to: uv_handle_t.self)) }

    /// The owner of a handle that libuv passed to a callback.
    static func owner<Raw, Owner: LoopHandle>(
        of raw: UnsafeMutablePointer<Raw>?, as type: Owner.Type
    ) -> Owner? {
        guard let raw else { return nil }
        let handle = UnsafeMutableRawPointer(raw).assumingMemoryBound(to: uv_handle_t.self)
        guard let data = handle.pointee.data else { return nil }
        return unsafeDowncast(
            Unmanaged<LoopHandle>.fromOpaque(data).takeUnretainedValue(), to: type)
    }
}

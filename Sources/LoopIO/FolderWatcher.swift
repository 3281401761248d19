// SPDX-License-Identifier: Apache-2.0
import CLibuv

/// Calls back on the loop when something in a folder changes.
///
/// A folder, not a file: editors write a new file and rename it over the old one, after which a
/// watch on the file would never hear again.
package final class FolderWatcher: LoopHandle {
    private var onChange: ((String?) -> Void)?

    /// Watches until ``close()``; `onChange` is given the name of what changed in the folder, where
    /// the system tells it.
    ///
    /// - Throws: ``LoopError`` where there is no such folder, or the system has no watch left.
    package init(
        loop: EventLoop, folder: String, onChange: @escaping (String?) -> Void
    ) throws(LoopError) {
        try super.init(uv_fs_event_t.self, action: "watch \(folder)") { raw in
            uv_fs_event_init(loop.raw, raw)
        }
        self.onChange = onChange
        let status = uv_fs_event_start(
            pointer(to: uv_fs_event_t.self),
            { raw, name, _, _ in
                LoopHandle.owner(of: raw, as: FolderWatcher.self)?
                    .onChange?(name.map { String(cString: $0) })
            },
            folder, 0)
        guard !UVStatus(rawValue: status).isError else {
            close()
            throw LoopError(UVStatus(rawValue: status), during: "watch \(folder)")
        }
        // Waiting for a change alone is no reason to go on.
        unreference()
    }

    override func willClose() { onChange = nil }
}

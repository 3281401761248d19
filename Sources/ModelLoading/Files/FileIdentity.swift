// SPDX-License-Identifier: Apache-2.0

/// What tells whether a file is still the one that was opened.
///
/// The time of its last change is that of its inode, which copying a file's times does not set.
package struct FileIdentity: Sendable, Equatable {
    /// Absolute, without symbolic links.
    package let path: String
    package let byteCount: Int
    package let changedSeconds: Int
    package let changedNanoseconds: Int

    package init(path: String, byteCount: Int, changedSeconds: Int, changedNanoseconds: Int) {
        self.path = path
        self.byteCount = byteCount
        self.changedSeconds = changedSeconds
        self.changedNanoseconds = changedNanoseconds
    }
}

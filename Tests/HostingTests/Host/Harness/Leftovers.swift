// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

/// What tests have made outside of memory; whatever happens to them, none of it outlives them.
enum Leftovers {
    private struct List {
        var children: Set<Int32> = []
        var folders: Set<String> = []
    }

    private static let list = Mutex(List())

    /// Values that live as long as the process end without a deinit.
    private static let removeAtExit: Void = {
        atexit {
            let (children, folders) = Leftovers.list.withLock { ($0.children, $0.folders) }
            for child in children { kill(child, SIGKILL) }
            for folder in folders { try? FileManager.default.removeItem(atPath: folder) }
        }
    }()

    /// Starts a child; under the lock, so that it cannot be struck off before it is on the list.
    static func start(_ process: Process) throws {
        _ = removeAtExit
        try list.withLock { [process] list in
            try process.run()
            list.children.insert(process.processIdentifier)
        }
    }

    static func ended(_ process: Process) {
        list.withLock { [process] list in _ = list.children.remove(process.processIdentifier) }
    }

    static func made(folder: String) {
        _ = removeAtExit
        list.withLock { list in _ = list.folders.insert(folder) }
    }

    static func remove(folder: String) {
        try? FileManager.default.removeItem(atPath: folder)
        list.withLock { list in _ = list.folders.remove(folder) }
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Logging
internal import LoopIO
internal import ManifestLoading
internal import PluginLoading

/// What a generation was read from: files whose state tells whether it would come out the same.
nonisolated struct WatchedFiles: Sendable, Equatable {
    /// Files beyond this are not looked at; their folders are watched all the same.
    static let mostFiles = 4096

    /// Folders beyond this are not watched; the files in them are looked at now and then.
    static let mostFolders = 512

    /// Sorted, each once.
    let files: [String]
    let folders: [String]

    /// What a generation that came from `file` was read from. All libraries in the folders of
    /// plugins count, as a new one may have a type that was missing.
    init(_ facts: GenerationFacts, file: String, pluginFolders: [String]) {
        var files: Set<String> = [file]
        var folders = Set(pluginFolders)
        folders.insert(ManifestText.directory(of: file))
        // A link may lead to a folder that is swapped as a whole.
        let resolved = URL(fileURLWithPath: file).resolvingSymlinksInPath().path
        folders.insert(ManifestText.directory(of: resolved))
        for file in facts.files.keys {
            files.insert(file)
            folders.insert(ManifestText.directory(of: file))
        }
        for adapter in facts.manifest.spec.adapters {
            if case .directory(let directory) = adapter.source {
                folders.insert(directory.value)
                files.insert(directory.value)
            }
        }
        for adapter in facts.adapters {
            guard case .folder(let folder) = adapter.source else { continue }
            folders.insert(folder)
            files.formUnion(adapter.files)
        }
        for policy in Array(facts.policies.values) + Array(facts.gates.values) {
            files.formUnion(policy.files.keys)
            folders.formUnion(policy.files.keys.map(ManifestText.directory(of:)))
        }
        self.files = Array(files.sorted().prefix(Self.mostFiles))
        self.folders = Array(folders.sorted().prefix(Self.mostFolders))
    }

    /// How the files are now, and the libraries in the folders of plugins.
    func states(pluginFolders: [String]) -> [String: FileStamp] {
        var states: [String: FileStamp] = [:]
        for file in files { states[file] = FileStamp(of: file) }
        for library in (try? PluginSearch.libraries(in: pluginFolders)) ?? [] {
            states[library] = FileStamp(of: library)
        }
        return states
    }
}

/// Tells when a manifest or what it names has changed: at once where the system says so, and now and
/// then by looking, as not every file system does.
final class ManifestWatcher {
    /// Changes come in bursts; so long nothing must have come.
    static let quiet = Duration.milliseconds(300)

    /// A burst that does not end is not waited for longer.
    static let longestBurst = Duration.seconds(3)
    static let interval = Duration.seconds(5)

    private let loop: EventLoop
    private let log: Logger
    private let pluginFolders: [String]
    private let onChange: () -> Void
    private let burst: LoopTimer
    private let poll: LoopTimer
    private var burstBegan: UInt64?
    private var watchers: [String: FolderWatcher] = [:]
    private var files: WatchedFiles?
    private var states: [String: FileStamp] = [:]

    /// Watches nothing yet; `onChange` is called when something has changed since it last was.
    ///
    /// - Throws: `LoopError` where no timer can be made.
    init(
        loop: EventLoop, pluginFolders: [String], log: Logger, onChange: @escaping () -> Void
    ) throws(LoopError) {
        self.loop = loop
        self.log = log
        self.pluginFolders = pluginFolders
        self.onChange = onChange
        burst = try LoopTimer(loop: loop)
        poll = try LoopTimer(loop: loop)
        poll.unreference()
        poll.start(after: Self.interval, every: Self.interval) { [weak self] in self?.look() }
    }

    func close() {
        burst.close()
        poll.close()
        for watcher in watchers.values { watcher.close() }
        watchers = [:]
    }

    /// Watches what this generation was read from, instead of what was watched before.
    func follow(_ facts: GenerationFacts, file: String) {
        let files = WatchedFiles(facts, file: file, pluginFolders: pluginFolders)
        defer { states = files.states(pluginFolders: pluginFolders) }
        guard files != self.files else { return }
        self.files = files
        let wanted = Set(files.folders)
        for (folder, watcher) in watchers where !wanted.contains(folder) {
            watcher.close()
            watchers[folder] = nil
        }
        for folder in files.folders where watchers[folder] == nil {
            do throws(LoopError) {
                watchers[folder] = try FolderWatcher(loop: loop, folder: folder) {
                    [weak self] _ in self?.somethingHappened()
                }
            } catch {
                log.warning(
                    "\(error.description): changes there are noticed within \(Self.interval)")
            }
        }
    }

    private func somethingHappened() {
        let now = loop.now
        let began = burstBegan ?? now
        burstBegan = began
        guard Duration.nanoseconds(Int64(clamping: now &- began)) < Self.longestBurst else {
            return
        }
        burst.start(after: Self.quiet) { [weak self] in self?.look() }
    }

    private func look() {
        burstBegan = nil
        guard let files else { return }
        let states = files.states(pluginFolders: pluginFolders)
        guard states != self.states else { return }
        self.states = states
        onChange()
    }
}

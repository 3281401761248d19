// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import LoopIO
import Testing

@MainActor
@Suite(.serialized)
struct UnixSocketTests {
    /// A folder that goes away with the test.
    private final class Folder {
        let path: String

        init() throws {
            let folder = FileManager.default.temporaryDirectory.path
            var template = Array("\(folder)/unix-XXXXXX".utf8CString)
            path = String(cString: try #require(mkdtemp(&template)))
        }

        deinit { try? FileManager.default.removeItem(atPath: path) }

        func has(_ name: String) -> Bool { access("\(path)/\(name)", F_OK) == 0 }
    }

    private func client(_ path: String) -> Int32? {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let status = withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        if status == 0 { return descriptor }
        Glibc.close(descriptor)
        return nil
    }

    @Test func bytesComeAndGoAndTheFileGoesAwayWithTheListener() throws {
        let (bench, folder) = (try LoopBench(), try Folder())
        let path = "\(folder.path)/a.sock"
        var stream: UnixStream?
        var received: [UInt8] = []
        let listener = try UnixListener(loop: bench.loop, path: path) { accepted in
            stream = accepted
            accepted.onBytes = { span in span.withUnsafeBufferPointer { received += $0 } }
            accepted.startReading()
        }
        var facts = stat()
        try #require(lstat(path, &facts) == 0)
        #expect(facts.st_mode & S_IFMT == S_IFSOCK)
        #expect(facts.st_mode & 0o777 == 0o600, "only the owner may connect")
        let descriptor = try #require(client(path))
        #expect(send(descriptor, "ping", 4, Int32(MSG_NOSIGNAL)) == 4)
        try bench.run { received == Array("ping".utf8) }
        #expect(stream?.peer == "unix")
        stream?.write(Array("pong".utf8))
        var buffer = [UInt8](repeating: 0, count: 8)
        try bench.run { recv(descriptor, &buffer, 8, Int32(MSG_DONTWAIT)) == 4 }
        #expect(buffer.prefix(4) == Array("pong".utf8)[...])
        stream?.close()
        listener.close()
        #expect(!folder.has("a.sock"))
        Glibc.close(descriptor)
        try bench.close()
    }

    @Test func aStaleSocketIsReplacedAndALiveOneIsNot() throws {
        let (bench, folder) = (try LoopBench(), try Folder())
        let path = "\(folder.path)/a.sock"
        let listener = try UnixListener(loop: bench.loop, path: path) { $0.close() }
        let error = try #require(throws: LoopError.self) {
            try UnixListener(loop: bench.loop, path: path) { $0.close() }
        }
        #expect(error.code == .addressInUse)
        #expect(error.message.contains("another process answers"), "\(error)")
        // A second name for the socket, which stays behind as if its process had been killed.
        try #require(link(path, "\(folder.path)/stale.sock") == 0)
        listener.close()
        #expect(folder.has("stale.sock") && !folder.has("a.sock"))
        bench.loop.runTurn()
        // A child that another test starts has the descriptor too, until it becomes its program.
        var isAnswered = true
        for _ in 0..<100 where isAnswered {
            let descriptor = client("\(folder.path)/stale.sock")
            isAnswered = descriptor != nil
            if let descriptor { Glibc.close(descriptor) }
            sched_yield()
        }
        #expect(!isAnswered)
        let next = try UnixListener(loop: bench.loop, path: "\(folder.path)/stale.sock") {
            $0.close()
        }
        let descriptor = try #require(client("\(folder.path)/stale.sock"))
        Glibc.close(descriptor)
        next.close()
        #expect(!folder.has("stale.sock"))
        try bench.close()
    }

    @Test func whatIsNoSocketIsLeftAlone() throws {
        let (bench, folder) = (try LoopBench(), try Folder())
        let path = "\(folder.path)/notes"
        try "precious".write(toFile: path, atomically: true, encoding: .utf8)
        let error = try #require(throws: LoopError.self) {
            try UnixListener(loop: bench.loop, path: path) { $0.close() }
        }
        #expect(error.code == .invalidAddress)
        #expect(error.message.contains("no socket"), "\(error)")
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "precious")
        try bench.close()
    }

    @Test func aSocketThatReplacedOursIsLeftToItsOwner() throws {
        let (bench, folder) = (try LoopBench(), try Folder())
        let path = "\(folder.path)/a.sock"
        let first = try UnixListener(loop: bench.loop, path: path) { $0.close() }
        try #require(unlink(path) == 0)
        let second = try UnixListener(loop: bench.loop, path: path) { $0.close() }
        first.close()
        #expect(folder.has("a.sock"))
        second.close()
        #expect(!folder.has("a.sock"))
        try bench.close()
    }

    @Test(arguments: [
        ("", LoopError.Code.invalidAddress), (String(repeating: "x", count: 108), .invalidAddress),
        ("/nowhere/a.sock", .system),
    ])
    func aPathThatCannotBeIsRefused(path: String, code: LoopError.Code) throws {
        let bench = try LoopBench()
        let error = try #require(throws: LoopError.self) {
            try UnixListener(loop: bench.loop, path: path) { $0.close() }
        }
        #expect(error.code == code)
        try bench.close()
    }
}

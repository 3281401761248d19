// SPDX-License-Identifier: Apache-2.0
import Glibc
import LoopIO
import Testing

/// A socket that takes datagrams, as a service manager has one.
struct DatagramReceiver: ~Copyable {
    let descriptor: Int32
    /// Below `/tmp`, or abstract with `@` before it.
    let path: String

    init(isAbstract: Bool) throws {
        let name = "burrow-notify-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        path = isAbstract ? "@" + name : "/tmp/" + name
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { room in
            for (index, byte) in path.utf8.enumerated() {
                room[index] = isAbstract && index == 0 ? 0 : byte
            }
        }
        let count = 2 + path.utf8.count
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(count))
            }
        }
        try #require(status == 0)
    }

    deinit {
        close(descriptor)
        unlink(path)
    }

    /// The datagram that came first, if one is there.
    func next() -> String? {
        var room = [UInt8](repeating: 0, count: 256)
        let count = recv(descriptor, &room, room.count, Int32(MSG_DONTWAIT))
        return count < 0 ? nil : String(decoding: room[..<count], as: UTF8.self)
    }
}

@Suite struct NotifySocketTests {
    @Test(arguments: [false, true])
    func datagramsArriveWholeAndInOrder(isAbstract: Bool) throws {
        let receiver = try DatagramReceiver(isAbstract: isAbstract)
        let socket = try NotifySocket(path: receiver.path)
        try socket.send("READY=1")
        try socket.send("RELOADING=1\nMONOTONIC_USEC=5")
        #expect(receiver.next() == "READY=1")
        #expect(receiver.next() == "RELOADING=1\nMONOTONIC_USEC=5")
        #expect(receiver.next() == nil)
    }

    @Test(arguments: ["", "@", "/", "relative", "vsock:2:1234", String(repeating: "/x", count: 54)])
    func otherPlacesAreRefused(_ path: String) {
        let error = #expect(throws: LoopError.self) { try NotifySocket(path: path) }
        #expect(error?.code == .invalidAddress)
    }

    @Test func nobodyThereIsAnError() throws {
        let socket = try NotifySocket(path: "/tmp/burrow-nobody-\(getpid())")
        #expect(throws: LoopError.self) { try socket.send("READY=1") }
    }
}

console.log(await (await fetch(`http://${process.argv[2]}/loopback`)).text());

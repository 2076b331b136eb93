/**
 * Words and runs that most known passwords are made of, from the published lists of the most used ones. A password is
 * judged by what is left without them (see password-policy.ts), so each entry stands for all its repetitions, spellings
 * with digits for letters, and tails such as `2026!`.
 */
export const COMMON_WORDS: readonly string[] = `
password passwort passwd passw0rd motdepasse contrasena contraseña senha parola haslo wachtwoord passphrase pass secret
secure security admin administrator root user username guest login logon welcome changeme letmein default master access
temp temporary test tester testing demo example sample hello hallo hola bonjour hiya goodbye please thanks thankyou
qwerty qwertz azerty qwertyuiop qwertzuiop azertyuiop asdfghjkl asdfgh asdf zxcvbnm zxcvb zxcv yxcvbnm qazwsx qazwsxedc
qweasd qweasdzxc qwe asd zxc wasd poiuytrewq lkjhgfdsa mnbvcxz wsxedc rfvtgb tgbyhn yhnujm zaqwsx zaq xsw qaz wsx edc
abcdefghijklmnopqrstuvwxyz abcdefghijkl abcdefgh abcdef abcde abcd abc aaa bbb xyz xxx zzz
12345678901234567890 1234567890 0123456789 123456789 987654321 12345678 87654321 1234567 7654321 123456 654321 12345 54321
1234 4321 123 321 112233 121212 123123 123321 111111 000000 222222 333333 444444 555555 666666 777777 888888 999999 11111
00000 1111 0000 2222 5555 6666 7777 8888 9999 111 000 147258369 159753 159357 147258 258369 741852963 789456123 456789 789456
13579 24680 246810 102030 010203 1q2w3e4r5t6y 1q2w3e4r5t 1q2w3e4r 1q2w3e 1qaz2wsx3edc 1qaz2wsx 1qaz 2wsx 3edc q1w2e3r4t5 q1w2e3r4
q1w2e3 zaq12wsx a1b2c3d4 a1b2c3
iloveyou iloveu loveyou lovely lover love loves loveme ilove forever always never angel angels baby babygirl princess prince
queen king kingdom sunshine sunflower summer winter spring autumn january february march april june july august september
october november december monday tuesday wednesday thursday friday saturday sunday today tomorrow
monkey dragon tiger lion eagle falcon phoenix panther bear wolf shark dolphin horse pony kitty kitten cat dog doggy puppy
butterfly bird chicken turtle rabbit spider snake buddy
football soccer baseball basketball hockey tennis golf rugby volleyball sports player gamer games game goalie
liverpool chelsea arsenal barcelona realmadrid juventus manchester united yankees lakers cowboys steelers eagles packers
ferrari porsche mercedes mustang corvette camaro harley yamaha honda toyota bmw audi volkswagen
superman batman spiderman ironman marvel avengers starwars skywalker vader yoda jedi matrix hunter killer ninja samurai
warrior soldier sniper ranger trooper shadow ghost devil demon satan hell heaven jesus christ church faith bible blessed
pokemon pikachu naruto sasuke goku minecraft fortnite roblox zelda mario sonic halo callofduty counter strike overwatch
michael michelle jennifer jessica ashley amanda nicole daniel david robert thomas jordan andrew joshua matthew anthony
charlie george maggie ginger pepper jasmine hannah samantha elizabeth alexander alexandra william william1 richard joseph
christopher christian patrick steven kevin brian jason justin brandon tyler taylor morgan bailey buster oliver harry jack
james john peter paul maria anna laura sarah sophie emma julia lucas felix martin andreas stefan sebastian
computer internet windows microsoft google apple facebook instagram twitter youtube linkedin amazon netflix samsung iphone
android nokia laptop server database oracle cisco router network system support service office company business
money cash dollar million bitcoin crypto rich gold golden silver diamond platinum
chocolate cookie coffee cheese banana orange cherry strawberry pineapple peanut pizza sugar candy honey butter
whatever nothing something anything everything trustno1 trustnoone fuckyou fuckme fuck bitch asshole shit sexy sex hottie
london paris berlin newyork america canada australia england germany france spain italy mexico brazil texas california
flower rose daisy lily purple yellow green orange blue black white red pink rainbow star stars sunny moon
music guitar piano drummer metallica nirvana slipknot eminem rockstar rock dance dancer
freedom liberty peace happy smile lucky magic wizard genius einstein hacker cyber
number one two three four five six seven eight nine ten first second
wirebot wire bot agent robot
`
  .trim()
  .split(/\s+/);
